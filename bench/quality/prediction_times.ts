import type { Model } from '../../lib/models/model.js'
import { predictInTurns, randomBatch } from '../in_turns.js'
import { time } from '../report.js'

const SIZES = [1, 128] as const

interface Pair {
  size: number
  own: number
  other: number
}

/** Times of one prediction, ms, of two models of a comparison, in turns: the pruned one must be faster than itself unpruned. */
export class PredictionTimes {
  readonly #own: string
  readonly #other: string
  readonly #models = new Map<string, Model>()
  readonly #pairs: Pair[] = []

  constructor(own: string, other: string) {
    this.#own = own
    this.#other = other
  }

  /** Times a trained model on random ids as soon as the other of the same seed is there too. */
  add(name: string, model: Model): void {
    if (name === this.#own || name === this.#other) this.#models.set(name, model)
    const [own, other] = [this.#models.get(this.#own), this.#models.get(this.#other)]
    if (!own || !other) return
    this.#models.clear()
    for (const size of SIZES) {
      const times = predictInTurns([own, other], randomBatch(own, size))
      this.#pairs.push({ size, own: times[0]!, other: times[1]! })
    }
  }

  /** Whether it predicts at least `factor` times as fast as the other: by the mean of the seeds' ratios. */
  judge(factor: number): { lines: string[]; short: string[] } {
    const results = SIZES.flatMap(size => {
      const pairs = this.#pairs.filter(pair => pair.size === size)
      const mean = (of: (pair: Pair) => number) => pairs.reduce((sum, pair) => sum + of(pair), 0) / pairs.length
      if (pairs.length === 0) return []
      return [{ size, own: mean(p => p.own), other: mean(p => p.other), ratio: mean(p => p.other / p.own) }]
    })
    return {
      lines: results.map(
        ({ size, own, other, ratio }) =>
          `prediction at B = ${size}: ${this.#own} ${time(own)}, ${this.#other} ${time(other)}, ${ratio.toFixed(2)} times as fast`,
      ),
      short: results
        .filter(({ ratio }) => ratio < factor)
        .map(({ size }) => `${this.#own} is less than ${factor} times as fast at B = ${size}`),
    }
  }
}
