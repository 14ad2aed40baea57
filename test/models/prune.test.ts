import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { openCriteo } from '../../lib/data/criteo.js'
import type { DataSet } from '../../lib/data/source.js'
import { writeCriteo } from '../../lib/data/write_criteo.js'
import { DLRM } from '../../lib/models/dlrm.js'
import { loadModel } from '../../lib/models/kinds.js'
import { Adagrad } from '../../lib/optim/adagrad.js'
import type { FitOptions } from '../../lib/train/fit_options.js'

const dir = t.testdir()
const file = `${dir}/clicks.txt`
writeCriteo(file, { rows: 3000, seed: 5 })

const tables = [50, 20, 9]
const make = () => new DLRM({ dense: 0, tables, embeddingDim: 8, interaction: 'cat', top: [120, 70], seed: 2 })

function batch(size: number): Batch {
  const bags = tables.map(rows => ({
    offsets: Int32Array.from({ length: size }, (_, b) => b),
    indices: Int32Array.from({ length: size }, (_, b) => (b * 7 + rows) % rows),
  }))
  return { size, tables: bags, labels: Float32Array.from({ length: size }, (_, b) => b % 2) }
}

t.test('prunes the least of each part, and predicts the same as a model of those weights', async t => {
  const model = make()
  t.same(model.sparsity(), { tables: 0, mlp: 0 })
  const before = model.state()
  await model.prune({ mlp: 0.9, tables: 0.5 })
  const { mlp, tables: share } = model.sparsity()
  t.ok(Math.abs(mlp! - 0.9) < 1e-3 && Math.abs(share! - 0.5) < 1e-2, `${mlp}, ${share}`)
  for (const [name, { data }] of model.state()) {
    const old = before.get(name)!.data
    const kept = [...data].flatMap((x, i) => (x === 0 && old[i] !== 0 ? [] : [i]))
    if (name.endsWith('bias') || name === 'top_l.4.weight') t.same(data, old, `${name} is left alone`)
    else t.ok(kept.length < data.length && kept.every(i => data[i] === old[i]), name)
  }
  const wide = batch(40)
  const predictions = model.predictSync(wide)
  for (const n of [1, 2, 3, 4, 17]) t.same(model.predictSync(batch(n)), predictions.slice(0, n), `B = ${n}`)
  t.same(await model.predict(wide), predictions)
  await model.compile({ optimizer: new Adagrad({ lr: 0 }), maxBatch: 40 })
  await model.step(wide) // trains with the dense kernels, at a rate of 0
  t.same(model.predictSync(wide), predictions)
  const dense = make()
  dense.loadState(
    new Map([...model.state()].map(([name, { shape, data }]) => [name, { shape, data: data.map(x => x || 1e-40) }])),
  )
  const close = dense.predictSync(wide).every((p, i) => Math.abs(p - predictions[i]!) < 1e-6)
  t.ok(close, 'as the dense kernels on nearly the same weights')
})

t.test('one number is for every part; saved and loaded it stays pruned', async t => {
  const model = make()
  await model.prune(0.75)
  t.ok(Object.values(model.sparsity()).every(share => Math.abs(share! - 0.75) < 0.01))
  await model.save(`${dir}/pruned.safetensors`)
  const loaded = await loadModel(`${dir}/pruned.safetensors`)
  t.same(loaded.sparsity(), model.sparsity())
  t.same(loaded.predictSync(batch(9)), model.predictSync(batch(9)))
})

t.test('refuses shares outside [0, 1] and parts that the model lacks', async t => {
  const model = make()
  for (const bad of [1.5, -1, Number.NaN, { pairs: 0.5 }, { mlp: '1' }, null]) {
    await t.rejects(model.prune(bad as number), { code: 'ERR_ARGUMENT' })
  }
  t.same(model.sparsity(), { tables: 0, mlp: 0 })
})

const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  batchSize: 50,
  epochs: 4,
  seed: 4,
  optimizer: new Adagrad({ lr: 0.05 }),
  pruning: { target: { mlp: 0.9 }, warmupEpochs: 1, every: 5, decay: 0.9, span: 1 },
  ...more,
})

async function withData<T>(body: (data: DataSet, model: () => DLRM) => Promise<T>): Promise<T> {
  const data = await openCriteo(file, { hashSize: 100 })
  try {
    const sizes = data.schema.tableSizes
    return await body(
      data,
      () => new DLRM({ dense: 13, tables: sizes, embeddingDim: 4, bottom: [16], top: [32, 32], seed: 3 }),
    )
  } finally {
    await data.close()
  }
}

t.test('fit prunes on a schedule and ends at the target, whichever validation was best', async t => {
  await withData(async (data, make) => {
    const seen: number[] = []
    const model = make()
    const result = await model.fit(
      data,
      options({
        earlyStopping: { patience: 9 },
        validEvery: 10,
        onProgress: p => (seen[p.step] ??= model.sparsity().mlp!),
      }),
    )
    const warm = result.steps / 4
    t.equal(seen[warm], 0, 'nothing in the first epoch')
    t.ok(seen[warm + 5]! > 0.3 && seen[warm + 5]! < 0.5, `${seen[warm + 5]}`)
    t.ok(result.best!.step > warm + 43, 'only validations at the target count')
    t.ok(Math.abs(model.sparsity().mlp! - 0.9) < 0.005)
  })
})

t.test('a plateau is met in the warm-up and at the target, not in between', async t => {
  await withData(async (data, make) => {
    const scales: number[] = []
    const { steps } = await make().fit(
      data,
      options({
        optimizer: new Adagrad({ lr: 1e-12 }), // all validations of the warm-up are alike, and all at the target
        reduceLrOnPlateau: { metric: 'logloss', factor: 0.5 },
        validEvery: 10,
        onProgress: p => (scales[p.step] = p.rateScale),
      }),
    )
    const warm = steps / 4
    const atEnd = scales[warm + 1]!
    t.equal(
      scales[warm - 1],
      0.5 ** (Math.floor((warm - 1) / 10) - 1),
      'each validation but the first lowers the rates',
    )
    t.same(new Set(scales.slice(warm + 1, warm + 45)), new Set([atEnd]), 'pruning does not')
    t.ok(scales.at(-1)! < atEnd / 4, 'the target does')
  })
})

t.test('a run too short for its schedule is pruned at the end and validated again', async t => {
  await withData(async (data, make) => {
    const model = make()
    const result = await model.fit(data, options({ epochs: 1, pruning: { target: 0.8, warmupSteps: 3 } }))
    t.equal(result.history.length, 2)
    t.ok(Object.values(model.sparsity()).every(share => Math.abs(share! - 0.8) < 0.01))
  })
})

t.test('a resumed run is pruned as one that was never stopped', async t => {
  await withData(async (data, make) => {
    const whole = make()
    await whole.fit(data, options())
    const checkpoint = { dir: `${dir}/run`, every: 1000 }
    const stop = new AbortController()
    const first = make()
    await first.fit(data, options({ checkpoint, signal: stop.signal, onProgress: p => p.step >= 70 && stop.abort() }))
    const second = make()
    await second.fit(data, options({ checkpoint, resume: true }))
    t.same(second.state(), whole.state())
    await t.rejects(make().fit(data, options({ checkpoint, resume: true, pruning: undefined })), {
      code: 'ERR_ARGUMENT',
    })
  })
})

t.test('refuses a bad schedule', async t => {
  await withData(async (data, make) => {
    for (const bad of [
      { every: 0 },
      { decay: 1 },
      { span: 0 },
      { warmupEpochs: 0.5 },
      { warmupSteps: -1 },
      { target: 2 },
    ]) {
      const pruning = { target: 0.5, ...bad }
      await t.rejects(make().fit(data, options({ pruning })), { code: 'ERR_ARGUMENT' }, JSON.stringify(bad))
    }
  })
})
