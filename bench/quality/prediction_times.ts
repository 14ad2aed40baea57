import type { Model } from '../../lib/models/model.js'
import { time } from '../report.js'

const SIZES = [1, 128] as const
const REPEATS = 400
const ROUNDS = 7

/** Times of one prediction, ms, of some models of a comparison: the pruned one must be faster than itself unpruned. */
export class PredictionTimes {
  readonly #wanted: readonly string[]
  readonly #best = new Map<string, Map<number, number>>()

  constructor(wanted: readonly string[]) {
    this.#wanted = wanted
  }

  /** Times a trained model on random ids; of several seeds the fastest counts. */
  add(name: string, model: Model): void {
    if (!this.#wanted.includes(name)) return
    const best = this.#best.get(name) ?? new Map<number, number>()
    this.#best.set(name, best)
    for (const size of SIZES) best.set(size, Math.min(best.get(size) ?? Number.POSITIVE_INFINITY, measure(model, size)))
  }

  /** Whether `name` predicts at least `factor` times as fast as `other`. */
  judge(name: string, other: string, factor: number): { lines: string[]; short: string[] } {
    const [own, yardstick] = [this.#best.get(name), this.#best.get(other)]
    if (!own || !yardstick) return { lines: [], short: [] }
    const results = SIZES.map(size => ({ size, own: own.get(size)!, other: yardstick.get(size)! }))
    return {
      lines: results.map(
        result =>
          `prediction at B = ${result.size}: ${name} ${time(result.own)}, ${other} ${time(result.other)}, ${(result.other / result.own).toFixed(2)} times as fast`,
      ),
      short: results
        .filter(result => result.other < factor * result.own)
        .map(result => `${name} is less than ${factor} times as fast at B = ${result.size}`),
    }
  }
}

/** Median over rounds of the mean time of one call. */
function measure(model: Model, size: number): number {
  const { dense, rows } = model.inputs
  const offsets = new Int32Array(size + 1).map((_, b) => b)
  const batch = {
    size,
    dense: new Float32Array(size * dense).map(Math.random),
    tables: rows.map(count => ({
      offsets,
      indices: new Int32Array(size).map(() => Math.floor(Math.random() * count)),
    })),
  }
  const round = (): number => {
    const start = performance.now()
    for (let i = 0; i < REPEATS; i++) model.predictSync(batch)
    return (performance.now() - start) / REPEATS
  }
  round()
  const times = Array.from({ length: ROUNDS }, round).sort((a, b) => a - b)
  return times[Math.floor(ROUNDS / 2)]!
}
