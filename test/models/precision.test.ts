// precision: 'bf16' of models, kernels and the command line. What it computes is held against float64 in native/test/bf16_test.cpp.
import { join } from 'node:path'
import t from 'tap'
import type { DataSource } from '../../lib/data/source.js'
import { zipfData } from '../../lib/data/synthetic.js'
import * as kernels from '../../lib/kernels.js'
import { DLRM } from '../../lib/models/dlrm.js'
import { DeepFM } from '../../lib/models/index.js'
import { loadModel } from '../../lib/models/kinds.js'
import type { Model } from '../../lib/models/model.js'
import { Adam } from '../../lib/optim/adam.js'
import { evaluate } from '../../lib/train/evaluate.js'
import { runCli } from '../support/cli.js'

const DATA = { dense: 2, tables: [60, 40, 20], rows: 6000, auc: 0.9, seed: 5 }
const INPUTS = { dense: 2, tables: [60, 40, 20] }

async function predictions(model: Model, source: DataSource): Promise<Float32Array> {
  for await (const { batch } of source.batches({ batchSize: 200 })) return model.predict(batch)
  throw new Error('no batch')
}

const largest = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)))

for (const isa of kernels.isas()) {
  t.test(`factors are rounded to nearest even, ${isa}`, async t => {
    const ulp = 2 ** -7 // of bfloat16 in [1, 2)
    const args = {
      batch: 3,
      x: Float32Array.of(1 + ulp / 2, 1 + 1.5 * ulp, 1 + 0.51 * ulp),
      layers: [
        { weight: Float32Array.of(1), bias: Float32Array.of(2 ** -12) },
        { weight: Float32Array.of(1 + 2 ** -12), bias: Float32Array.of(2 ** -12) },
      ],
      last: 'none' as const,
    }
    const { out } = kernels.mlp({ ...args, precision: 'bf16' }, { isa })
    t.same(
      [...out],
      [1, 1 + 2 * ulp, 1 + ulp].map(y => y + 2 ** -12),
      'biases and the output are not',
    )
    t.notSame([...kernels.mlp(args, { isa }).out], [...out])
  })
}

for (const [kind, make] of [
  ['dlrm', (more: object) => new DLRM({ ...INPUTS, embeddingDim: 5, bottom: [8], top: [16], ...more })],
  ['deepfm', (more: object) => new DeepFM({ ...INPUTS, embeddingDim: 5, hidden: [24, 12], ...more })],
] as const) {
  t.test(`${kind}: bf16 is near fp32, learns as well, is saved and can be changed`, async t => {
    const data = zipfData(DATA)
    const half = make({ precision: 'bf16', seed: 3 })
    const full = make({ seed: 3 })
    t.equal(half.config.precision, 'bf16')
    t.notOk('precision' in full.config, 'the default is not saved')
    const source = data.test
    const difference = largest(await predictions(half, source), await predictions(full, source))
    t.ok(difference > 0 && difference < 0.01, `predictions differ by ${difference}`)

    const auc: number[] = []
    for (const model of [half, full]) {
      await model.fit(data, { batchSize: 128, epochs: 2, seed: 3, optimizer: new Adam({ lr: 0.01 }) })
      auc.push((await evaluate(model, source, { batchSize: 256 })).auc!)
    }
    t.ok(Math.abs(auc[0]! - auc[1]!) < 0.01, `auc ${auc}`)

    const path = join(t.testdir(), 'model.safetensors')
    await half.save(path)
    const loaded = await loadModel(path)
    t.same(loaded.config, half.config)
    t.same(await predictions(loaded, source), await predictions(half, source))
    const other = await loadModel(path, { precision: 'fp32' })
    const change = largest(await predictions(other, source), await predictions(half, source))
    t.ok(change > 0 && change < 0.05, `loaded as fp32: other predictions, by ${change}`)
  })
}

t.test('what is no precision', async t => {
  const bad = { code: 'ERR_ARGUMENT', message: /precision: expected "?fp32"?.* "?bf16"?/ }
  t.throws(() => new DLRM({ ...INPUTS, embeddingDim: 4, precision: 'fp16' as 'fp32' }), bad)
  t.throws(() => new DeepFM({ ...INPUTS, precision: 'half' as 'fp32' }), bad)
  const layers = [{ weight: Float32Array.of(1) }]
  t.throws(() => kernels.mlp({ batch: 1, x: Float32Array.of(1), layers, precision: 'bf8' as 'fp32' }), bad)
})

t.test('--precision', async t => {
  const model = join(t.testdir(), 'model.safetensors')
  const shape = ['--model=deepfm', '--hidden=8', '--embedding-dim=4', '--data-generation=synthetic', '--data-size=2000']
  const { code, err } = await runCli(['train', ...shape, '--precision=bf16', `--save-model=${model}`])
  t.equal(code, 0, err)
  t.match((await loadModel(model)).config, { precision: 'bf16' })
  const again = [...shape.slice(3), `--load-model=${model}`, '--inference-only', '--precision=fp32']
  t.match(await runCli(['train', ...again]), { code: 0 })
  t.match(await runCli(['train', ...shape, '--precision=fp8']), { code: 2, err: /--precision/ })
})
