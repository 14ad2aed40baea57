// Every model of the package: two epochs on clicks of a planted teacher, judged, saved, loaded, the same bits predicted.
import { join } from 'node:path'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import type { DataSource } from '../../lib/data/source.js'
import { zipfData } from '../../lib/data/synthetic.js'
import { DLRM } from '../../lib/models/dlrm.js'
import { loadModel, modelKinds } from '../../lib/models/kinds.js'
import type { Model } from '../../lib/models/model.js'
import type { Loadable } from '../../lib/models/storage.js'
import { Adam } from '../../lib/optim/adam.js'
import { evaluate } from '../../lib/train/evaluate.js'

const TRAINED = { batchSize: 128, epochs: 2, seed: 3 }
/** Small, for options that a model has. */
const SMALL: { [option: string]: unknown } = { embeddingDim: 5, hidden: [24, 12], cinLayers: [8, 6], crossLayers: 2 }

/** A small model of this kind for these inputs. */
function make(ModelClass: Loadable<Model>, inputs: { dense: number; tables: number[] }): Model {
  if (ModelClass === DLRM) return new DLRM({ ...inputs, embeddingDim: 5, bottom: [8], top: [16] })
  const { options } = (ModelClass as unknown as { definition: { options: object } }).definition
  const chosen = Object.entries(SMALL).filter(([name]) => name in options)
  return new ModelClass({ ...inputs, ...Object.fromEntries(chosen), seed: 7 })
}

for (const [kind, ModelClass] of modelKinds) {
  t.test(`${kind}: trains, evaluates, saves, loads and predicts the same bits`, async t => {
    const inputs = kind === 'mf' ? { dense: 0, tables: [60, 40] } : { dense: 2, tables: [60, 40, 20] }
    const data = zipfData({ ...inputs, rows: 6000, auc: 0.9, seed: 5 })
    const model = make(ModelClass, inputs)
    const before = await evaluate(model, data.test, { batchSize: 256 })
    const result = await model.fit(data, { ...TRAINED, optimizer: new Adam({ lr: 0.01 }) })
    t.match(result, { epochs: 2, steps: 94 })
    t.equal(result.history.length, 2)

    const metrics = await evaluate(model, data.test, { batchSize: 256 })
    if (model.predicts === 'probability') {
      t.ok(metrics.auc! > 0.65, `auc ${metrics.auc}`)
      t.ok(metrics.logloss! < before.logloss!, `logloss ${metrics.logloss} below ${before.logloss}`)
    } else {
      t.ok(metrics.mse < before.mse, `mse ${metrics.mse} below ${before.mse}`)
    }

    const path = join(t.testdir(), `${kind}.safetensors`)
    await model.save(path)
    const loaded = await loadModel(path)
    t.equal(loaded.kind, kind)
    t.same(loaded.config, model.config)
    t.same(loaded.schema?.toJSON(), data.schema.toJSON())
    for (const size of [1, 100]) {
      const batch = await firstBatch(data.test, size)
      const expected = await model.predict(batch)
      t.equal(expected.length, size)
      t.same((await model.evaluate(batch)).predictions, expected)
      t.same(await loaded.predict(batch), expected)
      t.same(loaded.predictSync(batch), expected)
    }
  })
}

async function firstBatch(source: DataSource, batchSize: number): Promise<Batch> {
  for await (const { batch } of source.batches({ batchSize })) return batch
  throw new Error('no batch')
}
