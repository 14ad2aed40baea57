import type { DataSource } from '../data/source.js'
import { DlrmError } from '../errors.js'
import type { Model } from '../models/model.js'
import { type Metrics, MetricsAccumulator } from './metrics.js'

/**
 * Metrics of a model over a whole source, read in order. `limit`: at most so many batches.
 * Errors: as `model.predict` and the source's; `ERR_SHAPE` if a batch has no labels.
 */
export async function evaluate(
  model: Model,
  source: DataSource,
  options: { batchSize: number; limit?: number },
): Promise<Metrics> {
  const { batchSize, limit = Number.POSITIVE_INFINITY } = options
  const metrics = new MetricsAccumulator(model.predicts)
  let pending: { predictions: Promise<Float32Array>; labels: Float32Array } | undefined
  const take = async () => {
    if (pending) metrics.add(await pending.predictions, pending.labels)
    pending = undefined
  }
  let batches = 0
  for await (const { batch } of source.batches({ batchSize })) {
    if (batches++ >= limit) break
    if (!batch.labels) throw new DlrmError('ERR_SHAPE', `[evaluate] ${source.name} has no labels`)
    const predictions = model.predict(batch) // runs while the previous result is judged
    predictions.catch(() => {})
    await take()
    pending = { predictions, labels: batch.labels }
  }
  await take()
  return metrics.result()
}
