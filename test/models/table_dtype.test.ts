// Tables of bf16, f16, int8 and int4: kernels, models, files, resumed runs, the command line.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { zipfData } from '../../lib/data/synthetic.js'
import { openSafetensors } from '../../lib/format/safetensors.js'
import * as kernels from '../../lib/kernels.js'
import { DLRM } from '../../lib/models/dlrm.js'
import { DeepFM, FFM, LR, MF } from '../../lib/models/index.js'
import { loadModel } from '../../lib/models/kinds.js'
import type { Model } from '../../lib/models/model.js'
import { native } from '../../lib/native.js'
import { Adagrad } from '../../lib/optim/adagrad.js'
import { Adam } from '../../lib/optim/adam.js'
import { RowWiseAdagrad } from '../../lib/optim/rowwise_adagrad.js'
import { SGD } from '../../lib/optim/sgd.js'
import { evaluate } from '../../lib/train/evaluate.js'
import { runCli } from '../support/cli.js'
import { tinyBatch, tinyModel } from '../support/tiny_model.js'

const HALVES = ['bf16', 'f16'] as const
const QUANTISED = ['int8', 'int4'] as const
const ALL = ['f32', ...HALVES, ...QUANTISED] as const

const random = (n: number, seed = 1): Float32Array => {
  let x = seed
  return new Float32Array(n).map(() => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    return x / 2 ** 31 - 1
  })
}

t.test('quantised rows are those of PyTorch, byte for byte', async t => {
  const { cases } = JSON.parse(readFileSync(new URL('../golden/quantised.json', import.meta.url), 'utf8'))
  for (const { width, weight, ...wanted } of cases) {
    const bytes = Buffer.from(weight, 'base64')
    const floats = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
    for (const dtype of QUANTISED) {
      if (!wanted[dtype]) continue
      const rows = kernels.tableRows({ weight: floats, width, dtype })
      t.same([...rows], [...Buffer.from(wanted[dtype], 'base64')], `${dtype}, width ${width}`)
    }
  }
})

t.test('a bag of rows of every type is the bag of their floats', async t => {
  for (const dtype of ALL)
    for (const width of [1, 10, 33]) {
      const floats = random(20 * width)
      const weight = kernels.tableRows({ weight: floats, width, dtype })
      const bags = { offsets: Int32Array.of(0, 2, 2, 5), indices: Int32Array.of(0, 19, 7, 7, 3) }
      const same = kernels.tableFloats({ weight, width, dtype })
      const { out } = kernels.embeddingBag({ tables: [{ weight, ...bags }], width, dtype })
      const { out: want } = kernels.embeddingBag({ tables: [{ weight: same, ...bags }], width })
      t.ok(
        out.every((x, i) => Math.abs(x - want[i]!) < 1e-5),
        `${dtype}, width ${width}`,
      )
      t.ok(
        same.every((x, i) => Math.abs(x - floats[i]!) < (dtype === 'int4' ? 0.1 : 0.01)),
        `${dtype} is near`,
      )
    }
})

t.test('an update of 16 bits goes by key and step', async t => {
  for (const dtype of HALVES) {
    const weight = kernels.tableRows({ weight: random(400), width: 4, dtype })
    const bags = {
      offsets: Int32Array.from({ length: 101 }, (_, i) => i),
      indices: Int32Array.from({ length: 100 }, (_, i) => i),
    }
    const update = (key: number, step: number, threads = 1) => {
      const own = weight.slice()
      const tables = [{ weight: own, ...bags }]
      kernels.embeddingUpdate(
        { tables, width: 4, dtype, dout: random(400, 5), optimizer: new SGD({ lr: 1e-4 }), key, step },
        { threads },
      )
      return [...own]
    }
    t.same(update(1, 1), update(1, 1, 4))
    t.notSame(update(1, 1), update(2, 1))
    t.notSame(update(1, 1), update(1, 2))
    t.notSame(update(1, 1), [...weight])
  }
})

t.test('what kernels refuse', async t => {
  const bags = { offsets: Int32Array.of(0, 1), indices: Int32Array.of(0) }
  const int8 = kernels.tableRows({ weight: random(8), width: 4, dtype: 'int8' })
  const bag = (weight: kernels.TableWeights, dtype: string) => () =>
    kernels.embeddingBag({ tables: [{ weight, ...bags }], width: 4, dtype: dtype as 'int8' })
  t.throws(bag(random(8), 'bf16'), { code: 'ERR_ARGUMENT', message: /expected a Uint16Array of bf16/ })
  t.throws(bag(int8, 'bf16'), { code: 'ERR_ARGUMENT' })
  t.throws(bag(int8, 'int9'), { code: 'ERR_ARGUMENT', message: /dtype: expected f32 or bf16/ })
  t.throws(bag(int8.slice(1), 'int8'), { code: 'ERR_SHAPE', message: /a multiple of 12 elements/ })
  const optimizer = new SGD({ lr: 1 })
  const tables = [{ weight: int8, ...bags }]
  t.throws(() => kernels.embeddingUpdate({ tables, width: 4, dtype: 'int8', dout: random(4), optimizer }), {
    code: 'ERR_STATE',
    message: /int8 are for predictions/,
  })
  t.throws(() => kernels.embeddingBagBackward({ tables, width: 4, dtype: 'int8', dout: random(4) }), {
    code: 'ERR_ARGUMENT',
  })
  t.throws(() => kernels.tableRows({ weight: random(7), width: 4, dtype: 'int8' }), { code: 'ERR_SHAPE' })
  t.throws(
    () =>
      native.runOp({
        op: 'embedding_bag',
        attrs: { rows: [2], width: 4, dtype: 'int8' },
        batch: 1,
        inputs: [{ bags: [bags.offsets, bags.indices, undefined] }],
        params: [random(8)],
      }),
    { code: 'ERR_ARGUMENT', message: /expected a Uint8Array/ },
    'memory of another type',
  )
})

const predictions = (model: Model): number[] => [...model.predictSync(tinyBatch(40, 9))]
const apart = (a: number[], b: number[]): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)))

for (const dtype of HALVES) {
  t.test(
    `${dtype}: a model starts at the nearest numbers, trains, is saved and comes back with the same bits`,
    async t => {
      const dir = t.testdir()
      const full = tinyModel()
      const model = tinyModel({ tableDtype: dtype })
      t.equal(model.tableDtype, dtype)
      t.ok(apart(predictions(model), predictions(full)) < 0.01)
      t.equal(full.parameterBytes - model.parameterBytes, 2 * 4 * (100 + 7 + 1))
      const { data, dtype: held } = model.state().get('emb_l.0.weight')!
      t.equal(held, dtype)
      const nearest = kernels.tableFloats({
        weight: kernels.tableRows({ weight: full.state().get('emb_l.0.weight')!.data, width: 4, dtype }),
        width: 4,
        dtype,
      })
      t.same([...data], [...nearest])

      for (const optimizer of [
        new SGD({ lr: 0.1 }),
        new Adagrad({ lr: 0.1 }),
        new RowWiseAdagrad({ lr: 0.1 }),
        new Adam({ lr: 0.01 }),
      ]) {
        await model.compile({ optimizer, maxBatch: 64, clipNorm: 10 })
        const first = await model.step(tinyBatch(64))
        for (let i = 0; i < 60; i++) await model.step(tinyBatch(64))
        t.ok((await model.step(tinyBatch(64))) < first, optimizer.rule)
      }
      const path = join(dir, 'm.safetensors')
      await model.save(path)
      const file = await openSafetensors(path)
      t.match(file.tensors.get('emb_l.0.weight'), { dtype: dtype.toUpperCase(), shape: [100, 4] })
      t.match(file.tensors.get('top_l.0.weight'), { dtype: 'F32' })
      await file.close()
      const back = await DLRM.load(path)
      t.equal(back.tableDtype, dtype)
      t.same(predictions(back), predictions(model))
      const wide = await loadModel(path, { tableDtype: 'f32' })
      t.same(predictions(wide), predictions(model), 'as float32: the same numbers')
      await wide.save(join(dir, 'wide'))
      t.same(predictions(await loadModel(join(dir, 'wide'), { tableDtype: dtype })), predictions(model), 'and back')
      const other = await loadModel(join(dir, 'wide'), { tableDtype: dtype === 'f16' ? 'bf16' : 'f16' })
      t.ok(apart(predictions(other), predictions(model)) < 0.02)
    },
  )

  t.test(`${dtype}: the same bits with any number of threads, and when resumed`, async t => {
    const run = async (threads: number, parts: number[], dir: string) => {
      native.threads(threads)
      let model: Model | undefined
      for (const epochs of parts) {
        const data = zipfData({ dense: 2, tables: [600, 40], rows: 4000, auc: 0.9, seed: 5 })
        model = new DeepFM({ dense: 2, tables: [600, 40], embeddingDim: 10, hidden: [16], seed: 3, tableDtype: dtype })
        const checkpoint = { dir: join(dir, String(threads)), every: 10 }
        await model.fit(data, {
          batchSize: 100,
          epochs,
          optimizer: new Adam({ lr: 0.01 }),
          checkpoint,
          resume: epochs !== parts[0],
          seed: 1,
        })
      }
      const state = new Map([...model!.state()].map(([name, { data }]) => [name, [...data]]))
      return state
    }
    const dir = t.testdir()
    const before = native.threads()
    const one = await run(1, [2], dir)
    t.same(await run(4, [2], dir), one)
    t.same(await run(3, [1, 2], dir), one, 'resumed')
    native.threads(before)
  })
}

for (const dtype of QUANTISED) {
  t.test(`${dtype}: quantize, predictions, files; no training any more`, async t => {
    const dir = t.testdir()
    const model = tinyModel()
    await model.compile({ optimizer: new Adagrad({ lr: 0.1 }), maxBatch: 64 })
    for (let i = 0; i < 20; i++) await model.step(tinyBatch(64))
    await model.save(join(dir, 'full'))
    const full = predictions(model)
    const bytes = model.parameterBytes
    await model.quantize({ tables: dtype })
    t.equal(model.tableDtype, dtype)
    t.equal(bytes - model.parameterBytes, 108 * (16 - (dtype === 'int8' ? 12 : 6)))
    const got = predictions(model)
    t.ok(
      apart(got, full) > 0 && apart(got, full) < (dtype === 'int8' ? 0.02 : 0.3),
      `predictions differ by ${apart(got, full)}`,
    )
    t.same([...(await model.predict(tinyBatch(40, 9)))], got)
    t.equal(model.state().get('emb_l.0.weight')!.data.length, 400)

    await model.save(join(dir, 'small'))
    const back = await DLRM.load(join(dir, 'small'))
    t.same(predictions(back), got)
    const made = await DLRM.load(join(dir, 'full'), { tableDtype: dtype })
    t.same(predictions(made), got, 'quantised as it is read')
    const file = await openSafetensors(join(dir, 'small'))
    t.match(file.tensors.get('emb_l.0.weight'), { dtype: 'U8', shape: [100, dtype === 'int8' ? 12 : 6] })
    await file.close()

    const state = { code: 'ERR_STATE' }
    await t.rejects(model.step(tinyBatch(4)), state)
    await t.rejects(model.compile({ optimizer: new SGD({ lr: 1 }), maxBatch: 4 }), {
      ...state,
      message: new RegExp(`${dtype} are for predictions`),
    })
    await t.rejects(back.compile({ optimizer: new SGD({ lr: 1 }), maxBatch: 4 }), state)
    await t.rejects(model.step(tinyBatch(4)), state)
    await t.rejects(model.quantize({ tables: dtype }), { ...state, message: /already/ })
    await t.rejects(model.prune({ tables: 0.5 }), { code: 'ERR_ARGUMENT' })
    await t.rejects(DLRM.load(join(dir, 'small'), { tableDtype: 'f32' }), {
      code: 'ERR_FORMAT',
      message: /cannot become f32/,
    })
    const other = dtype === 'int8' ? 'int4' : 'int8'
    await t.rejects(DLRM.load(join(dir, 'small'), { tableDtype: other }), { code: 'ERR_FORMAT' })
    t.same(predictions(model), got, 'and predicts as before')
  })
}

t.test('which models have such tables', async t => {
  const tables = [30, 20]
  for (const tableDtype of ALL) {
    for (const Kind of [DeepFM, FFM, MF])
      t.equal(new Kind({ tables, tableDtype }).predictSync(tinyTwo).length, 2, tableDtype)
    if (tableDtype !== 'f32')
      t.throws(() => new LR({ tables, tableDtype }), { code: 'ERR_ARGUMENT', message: /no embedding tables/ })
    const qr = () => new DLRM({ dense: 0, tables: [300, 300], embeddingDim: 4, qr: {}, tableDtype })
    if (tableDtype !== 'f32') t.throws(qr, { code: 'ERR_ARGUMENT', message: /quotient-remainder/ })
    new DLRM({ dense: 0, tables: [300, 3000], embeddingDim: 4, md: {}, tableDtype })
  }
  t.throws(() => new DeepFM({ tables, tableDtype: 'f64' as 'f32' }), {
    code: 'ERR_ARGUMENT',
    message: /tableDtype: expected f32/,
  })
  await t.rejects(new LR({ tables }).quantize({ tables: 'int8' }), { code: 'ERR_STATE', message: /no tables/ })
  await t.rejects(new DeepFM({ tables }).quantize({ tables: 'bf16' as 'int8' }), { code: 'ERR_ARGUMENT' })
})
const one = { offsets: Int32Array.of(0, 1, 2), indices: Int32Array.of(1, 2) }
const tinyTwo = { size: 2, tables: [one, one] }

t.test('on the command line', async t => {
  const dir = t.testdir()
  const path = (name: string) => join(dir, name)
  const data = zipfData({ dense: 0, tables: [300, 100], rows: 3000, auc: 0.9, seed: 2 })
  const lines = ['label,a,b']
  for await (const { batch } of data.train.batches({ batchSize: 500 }))
    for (let i = 0; i < batch.size; i++)
      lines.push(`${batch.labels![i]},${batch.tables.map(table => table.indices[i]).join()}`)
  const { writeFileSync } = await import('node:fs')
  writeFileSync(path('d.csv'), `${lines.join('\n')}\n`)
  const train = [
    'train',
    `--data=${path('d.csv')}`,
    '--label=label',
    '--model=deepfm',
    '--optimizer=adam',
    '--learning-rate=0.01',
  ]
  t.match(await runCli([...train, '--table-dtype=bf16', `--save-model=${path('m')}`]), { code: 0 })
  t.match(await runCli(['info', path('m')]), { code: 0, out: /emb\.0\.weight\s+BF16/ })
  t.match(await runCli([...train, '--table-dtype=int8']), { code: 2, err: /--table-dtype/ })
  t.match(await runCli(['quantize', `--load-model=${path('m')}`, `--save-model=${path('q')}`, '--tables=int4']), {
    code: 0,
    out: /int4, [\d,]+ bytes instead of/,
  })
  const sizes = JSON.parse((await runCli(['info', path('q'), '--json'])).out)
  const before = JSON.parse((await runCli(['info', path('m'), '--json'])).out)
  t.equal(sizes.parameters, before.parameters)
  t.ok(sizes.bytes < before.bytes)
  const judge = async (...more: string[]) =>
    JSON.parse((await runCli(['eval', `--raw-data-file=${path('d.csv')}`, '--json', ...more])).out).auc as number
  const auc = await judge(`--load-model=${path('m')}`)
  t.equal(await judge(`--load-model=${path('m')}`, '--table-dtype=f32'), auc)
  t.ok(Math.abs((await judge(`--load-model=${path('m')}`, '--table-dtype=int8')) - auc) < 0.01)
  t.ok(Math.abs((await judge(`--load-model=${path('q')}`)) - auc) < 0.03)
  t.match(await runCli(['quantize', `--load-model=${path('m')}`]), { code: 2, err: /--save-model: is needed/ })
  t.match(await runCli(['quantize', `--save-model=${path('m')}`]), { code: 2, err: /--load-model: is needed/ })
  t.match(await runCli(['quantize', `--load-model=${path('q')}`, `--save-model=${path('r')}`]), {
    code: 1,
    err: /ERR_STATE/,
  })
})

t.test('a half table learns as a full one', async t => {
  const auc = async (tableDtype: 'f32' | 'bf16' | 'f16') => {
    const data = zipfData({ dense: 2, tables: [60, 40, 20], rows: 6000, auc: 0.9, seed: 5 })
    const model = new DeepFM({ dense: 2, tables: [60, 40, 20], embeddingDim: 5, hidden: [24], seed: 3, tableDtype })
    await model.fit(data, { batchSize: 100, epochs: 3, optimizer: new Adam({ lr: 0.005 }), seed: 1 })
    return (await evaluate(model, data.test, { batchSize: 500 })).auc!
  }
  const full = await auc('f32')
  for (const dtype of HALVES)
    t.ok(Math.abs((await auc(dtype)) - full) < 0.01, `${dtype}: ${await auc(dtype)}, f32 ${full}`)
})
