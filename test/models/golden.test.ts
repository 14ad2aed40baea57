// DLRM against figures that nobody here computed: PyTorch 2.13, and the trace printed in the reference's README.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { DLRM } from '../../lib/models/dlrm.js'
import type { Tensor } from '../../lib/models/model.js'
import { native } from '../../lib/native.js'
import { SGD } from '../../lib/optim/sgd.js'
import { goldenOptimizer, loadGolden } from '../support/golden.js'

/** Largest |a - b| / max(|b|, floor). */
function distance(a: ArrayLike<number>, b: ArrayLike<number>, floor: number): number {
  let worst = a.length === b.length ? 0 : Number.POSITIVE_INFINITY
  for (let i = 0; i < b.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!) / Math.max(Math.abs(b[i]!), floor))
  return worst
}

const largest = (data: Float32Array): number => data.reduce((a, x) => Math.max(a, Math.abs(x)), 0)

for (const isa of native.isas()) {
  t.test(`20 runs of PyTorch 2.13, 10 steps each, on ${isa}`, async t => {
    for (const { config, initial, batches, expected } of loadGolden()) {
      const model = new DLRM({ ...config, weightedPooling: config.weightedPooling ?? 'fixed', isa })
      model.loadState(initial)
      await model.compile({ optimizer: goldenOptimizer(config.optimizer), maxBatch: config.batchSize })
      const before = await model.predict(batches[0]!)
      t.ok(distance(before, expected.predictions, 1e-3) < 1e-5, `${config.name}: predictions`)
      const losses: number[] = []
      for (const batch of batches) losses.push(await model.step(batch))
      t.ok(distance(losses, expected.losses, 1e-3) < 1e-5, `${config.name}: losses`)
      const state = model.state()
      for (const [name, { data }] of expected.final) {
        const off = distance(state.get(name)!.data, data, largest(data))
        t.ok(off < 1e-5, `${config.name}: ${name} is ${off} off`)
      }
      const after = await model.predict(batches[0]!)
      t.ok(distance(after, expected.finalPredictions, 1e-3) < 2e-5, `${config.name}: final predictions`)
    }
  })
}

interface Trace {
  learningRate: number
  batches: { dense: number[][]; sparse: number[][][]; label: number[] }[]
  losses: number[]
  initial: Record<string, number[] | number[][]>
  updatedPrinted: Record<string, number[] | number[][]>
  updatedFloat64: Record<string, number[] | number[][]>
}

t.test('the trace in the README of the reference', async t => {
  const trace: Trace = JSON.parse(readFileSync(new URL('../golden/dlrm_readme_trace.json', import.meta.url), 'utf8'))
  const model = new DLRM({
    dense: 4,
    tables: [4, 3, 2],
    embeddingDim: 2,
    bottom: [3],
    top: [4, 2],
    loss: 'mse',
  })
  const initial = new Map<string, Tensor>()
  for (const [name, values] of Object.entries(trace.initial)) {
    const shape = Array.isArray(values[0]) ? [values.length, values[0].length] : [values.length]
    initial.set(name, { shape, data: Float32Array.from(values.flat()) })
  }
  model.loadState(initial)
  await model.compile({ optimizer: new SGD({ lr: trace.learningRate }), maxBatch: 2 })
  for (const [i, { dense, sparse, label }] of trace.batches.entries()) {
    const tables = sparse.map(bags => {
      const offsets = Int32Array.from([0, ...bags.map((_, b) => bags.slice(0, b + 1).flat().length)])
      return { offsets, indices: Int32Array.from(bags.flat()) }
    })
    const batch: Batch = { size: 2, dense: Float32Array.from(dense.flat()), tables, labels: Float32Array.from(label) }
    const loss = await model.step(batch)
    t.ok(Math.abs(loss - trace.losses[i]!) < 1e-5, `loss ${i}: ${loss} beside ${trace.losses[i]}`)
  }
  for (const [name, { data }] of model.state()) {
    const printed = trace.updatedPrinted[name]!.flat() as number[]
    const float64 = trace.updatedFloat64[name]!.flat() as number[]
    for (const [i, x] of data.entries()) {
      // bot_l.0.weight[1][1] was printed 2.3e-5 from what the printed inputs give in float64.
      const rounding = Math.max(2e-5, Math.abs(printed[i]! - float64[i]!) + 2e-6)
      t.ok(Math.abs(x - printed[i]!) < rounding, `${name}[${i}]: printed`)
      t.ok(Math.abs(x - float64[i]!) < 2e-6, `${name}[${i}]: float64`)
    }
  }
})

t.test('a file saved under the names of the reference state_dict loads', async t => {
  const path = fileURLToPath(new URL('../golden/dlrm.safetensors', import.meta.url))
  const model = await DLRM.load(path)
  t.ok(model.parameterCount > 0)
  t.ok([...model.state().keys()].includes('top_l.0.weight'))
})
