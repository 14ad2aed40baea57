// Nothing that JavaScript passes in or does may crash the process, and every refusal has a code.
import { Worker } from 'node:worker_threads'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import type { ErrorCode } from '../../lib/errors.js'
import { DLRM } from '../../lib/models/dlrm.js'
import { native } from '../../lib/native.js'
import { Adagrad } from '../../lib/optim/adagrad.js'
import { ParameterGroups } from '../../lib/optim/groups.js'
import { SGD } from '../../lib/optim/sgd.js'
import { tinyBatch, tinyModel } from '../support/tiny_model.js'

async function compiled(options = {}, maxBatch = 64): Promise<DLRM> {
  const model = tinyModel(options)
  await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch })
  return model
}

const detach = (array: { buffer: ArrayBufferLike }): void => {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] })
}

t.test('every wrong batch is refused with a code, and changes nothing', async t => {
  const model = await compiled()
  const before = model.state()
  const wrong: [string, ErrorCode, RegExp, (batch: Batch) => unknown][] = [
    [
      'index = R',
      'ERR_INDEX',
      /"C1" has R = 100 rows, received index 100 at position 5/,
      b => (b.tables[0]!.indices[5] = 100),
    ],
    ['index = -1', 'ERR_INDEX', /received index -1/, b => (b.tables[1]!.indices[0] = -1)],
    [
      'int64 beyond int32',
      'ERR_INDEX',
      /32-bit/,
      b => (b.tables[0]!.indices = new BigInt64Array(b.tables[0]!.indices.length).fill(1n << 40n)),
    ],
    ['offsets decreasing', 'ERR_OFFSETS', /must not decrease/, b => (b.tables[0]!.offsets[3] = 1000)],
    ['offsets not from 0', 'ERR_OFFSETS', /first must be 0/, b => (b.tables[0]!.offsets[0] = 1)],
    ['offsets not ending at L', 'ERR_OFFSETS', /last must be L/, b => (b.tables[0]!.indices = new Int32Array(1000))],
    [
      'too few offsets',
      'ERR_SHAPE',
      /B \+ 1 = 11/,
      b => (b.tables[0]!.offsets = b.tables[0]!.offsets.subarray(2) as Int32Array),
    ],
    ['dense too short', 'ERR_SHAPE', /3 = 30 numbers, received 29/, b => (b.dense = b.dense!.subarray(1))],
    ['no dense', 'ERR_SHAPE', /received 0/, b => delete b.dense],
    ['no labels', 'ERR_SHAPE', /labels/, b => delete b.labels],
    ['labels too long', 'ERR_SHAPE', /labels/, b => (b.labels = new Float32Array(11))],
    ['a table too few', 'ERR_SHAPE', /T = 3, received 2/, b => b.tables.pop()],
    ['NaN label', 'ERR_VALUE', /labels.*nan at position 4/i, b => (b.labels![4] = Number.NaN)],
    ['infinite dense', 'ERR_VALUE', /dense.*inf at position 29/, b => (b.dense![29] = Number.POSITIVE_INFINITY)],
    ['weights too short', 'ERR_SHAPE', /weights/, b => (b.tables[0]!.weights = new Float32Array(1))],
    [
      'NaN weight',
      'ERR_VALUE',
      /weights/,
      b => (b.tables[0]!.weights = new Float32Array(b.tables[0]!.indices.length).fill(Number.NaN)),
    ],
    [
      'Float64Array',
      'ERR_ARGUMENT',
      /Float32Array, received Float64Array/,
      b => (b.dense = new Float64Array(30) as never),
    ],
    [
      'array of numbers',
      'ERR_ARGUMENT',
      /tables\[1\]\.indices.*received Array/,
      b => (b.tables[1]!.indices = [1, 2] as never),
    ],
    ['Uint32Array', 'ERR_ARGUMENT', /received Uint32Array/, b => (b.tables[0]!.offsets = new Uint32Array(11) as never)],
    ['undefined', 'ERR_ARGUMENT', /received undefined/, b => (b.tables[2]!.offsets = undefined as never)],
    ['tables no array', 'ERR_ARGUMENT', /expected \{ size/, b => (b.tables = {} as never)],
    ['a table that is null', 'ERR_ARGUMENT', /tables\[0\]/, b => (b.tables[0] = null as never)],
    ['size no number', 'ERR_ARGUMENT', /size/, b => (b.size = '10' as never)],
    ['size fractional', 'ERR_ARGUMENT', /size/, b => (b.size = 2.5)],
    ['size negative', 'ERR_ARGUMENT', /size/, b => (b.size = -1)],
    ['size huge', 'ERR_SHAPE', /dense/, b => (b.size = 2 ** 40)],
    ['detached dense', 'ERR_BUFFER', /detached/, b => detach(b.dense!)],
    ['detached indices', 'ERR_BUFFER', /detached/, b => detach(b.tables[0]!.indices)],
    ['too many examples', 'ERR_SHAPE', /at most 64/, b => Object.assign(b, tinyBatch(65))],
    ['no examples', 'ERR_SHAPE', /empty/, b => Object.assign(b, tinyBatch(0))],
  ]
  for (const [name, code, message, spoil] of wrong) {
    const batch = tinyBatch(10)
    spoil(batch)
    await t.rejects(model.step(batch), { name: 'DlrmError', code, message }, name)
  }
  await t.rejects(model.step(null as never), { code: 'ERR_ARGUMENT' })
  const indices = tinyBatch(10)
  indices.tables[0]!.indices[0] = 1e9
  t.throws(() => model.predictSync(indices), { code: 'ERR_INDEX' })
  await t.rejects(model.predict(indices), { code: 'ERR_INDEX' })
  await t.rejects(model.evaluate(indices), { code: 'ERR_INDEX' })
  t.same(model.state(), before)
  t.ok((await model.step(tinyBatch(10))) > 0, 'and the model still works')
  t.equal((await model.predict(tinyBatch(0))).length, 0)
  t.equal(model.predictSync(tinyBatch(0)).length, 0)
})

t.test('wrong options', async t => {
  const options = { dense: 3, tables: [10], embeddingDim: 4, top: [4] }
  for (const [change, message] of [
    [{ tables: [] }, /tables/],
    [{ tables: [0] }, /tables/],
    [{ tables: [1.5] }, /tables/],
    [{ tables: 5 }, /tables/],
    [{ tables: [2 ** 31] }, /2\^31/],
    [{ embeddingDim: 0 }, /embeddingDim/],
    [{ dense: -1 }, /dense/],
    [{ bottom: [0] }, /bottom/],
    [{ interaction: 'max' }, /interaction: expected dot, cat, received max/],
    [{ loss: 'hinge' }, /loss/],
    [{ lossThreshold: 1 }, /lossThreshold/],
    [{ seed: -1 }, /seed/],
    [{ isa: 'mmx' }, /isa/],
  ] as const) {
    t.throws(
      () => new DLRM({ ...options, ...change } as never),
      { code: 'ERR_ARGUMENT', message },
      JSON.stringify(change),
    )
  }
  t.throws(() => new DLRM({ ...options, tables: [2 ** 31 - 1], embeddingDim: 65536 }), { code: 'ERR_MEMORY' })
  const model = tinyModel()
  await t.rejects(model.step(tinyBatch(1)), { code: 'ERR_STATE', message: /not compiled/ })
  await t.rejects(model.compile({ optimizer: new SGD(), maxBatch: 0 }), { code: 'ERR_ARGUMENT' })
  await t.rejects(model.compile({ optimizer: {} as never, maxBatch: 1 }), {
    code: 'ERR_ARGUMENT',
    message: /optimizer/,
  })
  for (const [groups, message] of [
    [{ '*': new SGD(), wide: new SGD() }, /no parameter group "wide", it has tables, mlp/],
    [{ tables: new SGD() }, /"mlp" has none/],
  ] as const) {
    const optimizer = new ParameterGroups(groups as Record<string, SGD>)
    await t.rejects(model.compile({ optimizer, maxBatch: 1 }), { code: 'ERR_ARGUMENT', message })
  }
  await t.rejects(model.predictRows([{}]), { code: 'ERR_STATE' })
  const state = model.state()
  state.delete('bot_l.0.bias')
  t.throws(() => model.loadState(state), { code: 'ERR_SHAPE', message: /bot_l\.0\.bias.*missing/ })
  state.set('bot_l.0.bias', { shape: [9], data: new Float32Array(9) })
  t.throws(() => model.loadState(state), { code: 'ERR_SHAPE', message: /expected shape \[8\], received \[9\]/ })
  t.throws(() => native.threads(0), { code: 'ERR_ARGUMENT' })
})

t.test('buffers may be reused, transferred or resized as soon as a call has returned', async t => {
  const [model, twin] = [await compiled(), await compiled()]
  const expected = [await twin.step(tinyBatch(50)), await twin.step(tinyBatch(50))]
  const batch = tinyBatch(50)
  const resizable = new (ArrayBuffer as new (n: number, o: object) => ArrayBuffer)(600, { maxByteLength: 1200 })
  const dense = new Float32Array(resizable)
  dense.set(batch.dense!)
  const shared = new Int32Array(new SharedArrayBuffer(4 * batch.tables[0]!.indices.length))
  shared.set(batch.tables[0]!.indices as Int32Array)
  batch.tables[0]!.indices = shared
  const first = model.step({ ...batch, dense })
  ;(resizable as unknown as { resize(n: number): void }).resize(0)
  const second = model.step(batch)
  shared.fill(-1)
  detach(batch.labels!)
  t.same(await Promise.all([first, second]), expected)
})

t.test('int64 indices and offsets without the closing L give the same', async t => {
  const model = await compiled()
  const batch = tinyBatch(20)
  const wide = {
    ...batch,
    tables: batch.tables.map(({ offsets, indices }) => ({
      offsets: BigInt64Array.from([...offsets.subarray(0, 20)].map(BigInt)),
      indices: BigInt64Array.from([...indices].map(BigInt)),
    })),
  }
  t.same(await model.predict(wide), await model.predict(batch))
  t.same(model.predictSync(wide), await model.predict(batch))
})

t.test('any number of threads and two models at once give bitwise the same', async t => {
  const run = async () => {
    const model = tinyModel()
    await model.compile({ optimizer: new Adagrad({ lr: 0.1 }), maxBatch: 1000 })
    const losses = []
    for (let i = 0; i < 5; i++) losses.push(await model.step(tinyBatch(1000 - i, i + 1)))
    return { losses, state: model.state() }
  }
  const threads = native.threads()
  const alone = await run()
  for (const other of await Promise.all([run(), run()])) t.same(other, alone)
  for (const count of [1, 3]) {
    native.threads(count)
    t.same(await run(), alone, `${count} threads`)
  }
  native.threads(threads)
})

t.test('predictSync is the same beside running steps and with any number of threads', async t => {
  const [model, other] = [await compiled(), await compiled({}, 1000)]
  const batch = tinyBatch(600)
  const expected = await model.predict(batch)
  const threads = native.threads()
  for (const count of [1, 3, threads]) {
    native.threads(count)
    const steps = Array.from({ length: 20 }, (_, i) => other.step(tinyBatch(1000, i)))
    for (let i = 0; i < 50; i++) t.same(model.predictSync(batch), expected)
    await Promise.all(steps)
    t.same(model.predictSync(batch), expected, `${count} threads, nothing else running`)
  }
  const before = other.predictSync(batch)
  const step = other.step(tinyBatch(1000))
  const during = other.predictSync(batch)
  await step
  const after = other.predictSync(batch)
  t.notSame(before, after)
  t.ok(
    [before, after].some(p => p.every((value, i) => value === during[i])),
    'from before the step or behind it, never from within',
  )
})

t.test('state and save wait for, or refuse, steps in flight', async t => {
  const model = await compiled()
  const step = model.step(tinyBatch(10))
  t.throws(() => model.state(), { code: 'ERR_STATE' })
  t.throws(() => model.loadState(new Map()), { code: 'ERR_STATE' })
  const path = `${t.testdir()}/m.safetensors`
  const saved = model.save(path)
  await t.rejects(model.step(tinyBatch(10)), { code: 'ERR_STATE', message: /save/ })
  await t.rejects(model.save(path), { code: 'ERR_STATE' })
  await Promise.all([step, saved])
  const loaded = await DLRM.load(path)
  t.same(loaded.state(), model.state())
  t.same(loaded.config, model.config)
})

t.test('a Worker terminated during a step takes nothing with it', async t => {
  for (let i = 0; i < 8; i++) {
    const worker = new Worker(new URL('../support/train_worker.mjs', import.meta.url), { execArgv: [] })
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
    await new Promise(resolve => setTimeout(resolve, i * 3))
    t.equal(await worker.terminate(), 1)
  }
  const model = await compiled()
  t.ok((await model.step(tinyBatch(10))) > 0)
})

t.test('1,000 models made and dropped leave no memory behind', async t => {
  const make = async (count: number) => {
    for (let i = 0; i < count; i++) {
      const model = await compiled({ tables: [20_000, 7, 1] }) // 320 kB each
      await model.step(tinyBatch(10))
      if (i % 50 === 0) await new Promise(setImmediate) // finalizers run between turns of the event loop
    }
  }
  await make(200)
  const before = process.memoryUsage().rss
  await make(1000)
  const grown = (process.memoryUsage().rss - before) / 1e6
  t.ok(grown < 150, `grew by ${grown.toFixed(0)} MB; the models together are 320 MB and more`)
})
