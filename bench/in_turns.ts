import type { Batch } from '../lib/data/batch.js'
import type { Model } from '../lib/models/model.js'
import { summary } from './measure.js'

/** A batch of random ids, one in each column. */
export function randomBatch({ inputs: { dense, rows } }: Model, size: number): Batch {
  const offsets = new Int32Array(size + 1).map((_, b) => b)
  return {
    size,
    dense: new Float32Array(size * dense).map(Math.random),
    tables: rows.map(count => ({
      offsets,
      indices: new Int32Array(size).map(() => Math.floor(Math.random() * count)),
    })),
  }
}

const MILLISECONDS = 2 // of one turn: clocks are read seldom, and what disturbs one model disturbs the other

/** Median time, ms, of one `predictSync` of each model on the same batch, in turns (A B A B ...), after a warm-up. */
export function predictInTurns(models: readonly Model[], batch: Batch, turns = 150): number[] {
  const turn = (model: Model, calls: number): number => {
    const start = performance.now()
    for (let i = 0; i < calls; i++) model.predictSync(batch)
    return (performance.now() - start) / calls
  }
  for (const model of models) turn(model, Math.ceil(500 / batch.size))
  const calls = models.map(model => Math.max(1, Math.round(MILLISECONDS / turn(model, 3))))
  const times = models.map((): number[] => [])
  for (let i = 0; i < turns; i++) for (const [m, model] of models.entries()) times[m]!.push(turn(model, calls[m]!))
  return times.map(own => summary(own).median)
}
