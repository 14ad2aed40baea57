/** DLRM's compressed tables: against their definitions in PyTorch, widths, start values, files. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { RandomState } from '../../lib/data/numpy_random.js'
import { TorchRandom } from '../../lib/data/torch_random.js'
import { mixedDims } from '../../lib/models/compress.js'
import { DLRM, type DLRMOptions } from '../../lib/models/dlrm.js'
import { Adagrad } from '../../lib/optim/adagrad.js'
import { SGD } from '../../lib/optim/sgd.js'
import { runCli } from '../support/cli.js'

interface Golden {
  tables: number[]
  embeddingDim: number
  dense: number
  size: number
  bottom: number[]
  top: number[]
  batches: { dense: number[]; labels: number[]; tables: { offsets: number[]; indices: number[] }[] }[]
  cases: Record<
    string,
    {
      config: Partial<DLRMOptions>
      optimizer: 'adagrad' | 'sgd'
      start: Record<string, { shape: number[]; data: number[] }>
      losses: number[]
      end: Record<string, number[]>
    }
  >
}

const golden = JSON.parse(readFileSync(new URL('../golden/compress.json', import.meta.url), 'utf8')) as Golden
const { tables, embeddingDim, dense, size, bottom, top } = golden
const batches = golden.batches.map((batch): Batch => {
  const bags = batch.tables.map(({ offsets, indices }) => ({
    offsets: Int32Array.from(offsets),
    indices: Int32Array.from(indices),
  }))
  return { size, dense: Float32Array.from(batch.dense), tables: bags, labels: Float32Array.from(batch.labels) }
})
const make = (options: Partial<DLRMOptions>) => new DLRM({ tables, embeddingDim, dense, bottom, top, ...options })

for (const [name, { config, optimizer, start, losses, end }] of Object.entries(golden.cases)) {
  t.test(`ten steps as in PyTorch: ${name}`, async t => {
    const model = make(config)
    const initial = Object.entries(start).map(([key, { shape, data }]) => [
      key,
      { shape, data: Float32Array.from(data) },
    ])
    model.loadState(new Map(initial as never))
    const rule = optimizer === 'adagrad' ? new Adagrad({ lr: 0.05 }) : new SGD({ lr: 0.3 })
    await model.compile({ optimizer: rule, maxBatch: size })
    for (const [i, batch] of batches.entries()) {
      const loss = await model.step(batch)
      t.ok(Math.abs(loss - losses[i]!) < 1e-5 * (1 + losses[i]!), `step ${i + 1}: ${loss}, expected ${losses[i]}`)
    }
    for (const [key, { data }] of model.state()) {
      const worst = Math.max(...data.map((x, i) => Math.abs(x - end[key]![i]!) / (0.1 + Math.abs(end[key]![i]!))))
      t.ok(worst < 1e-4, `${key}: ${worst}`)
    }
  })
}

t.test('composing before pooling is another model than after, for several lookups alone', async t => {
  const seed = { seed: 3 }
  const [paper, reference] = [
    make({ ...seed, qr: { threshold: 8 } }),
    make({ ...seed, qr: { threshold: 8, poolFirst: true } }),
  ]
  t.notSame(await paper.predict(batches[0]!), await reference.predict(batches[0]!))
  const single = {
    ...batches[0]!,
    tables: tables.map(rows => ({
      offsets: Int32Array.from([0, 1, 2, 3, 4, 5, 6]),
      indices: Int32Array.from([0, 1, 2, 3, 4, rows - 1]),
    })),
  }
  const [a, b] = [await paper.predict(single), await reference.predict(single)]
  for (const [i, p] of a.entries()) t.ok(Math.abs(p - b[i]!) < 1e-6)
})

t.test('tables start symmetric, composed rows with the variance of full ones', async t => {
  const [rows, collisions] = [40_000, 200]
  for (const operation of ['mult', 'add', 'concat'] as const) {
    const model = new DLRM({
      dense: 0,
      tables: [rows],
      embeddingDim: 8,
      interaction: 'cat',
      qr: { collisions, operation },
    })
    const [q, r] = ['weight_q', 'weight_r'].map(part => [...model.state().get(`emb_l.0.${part}`)!.data])
    const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length
    const square = (xs: number[]) => mean(xs.map(x => x * x))
    for (const part of [q!, r!]) t.ok(Math.abs(mean(part)) < 0.1 * Math.sqrt(square(part)))
    const variance =
      operation === 'mult' ? square(q!) * square(r!) : operation === 'add' ? square(q!) + square(r!) : square(q!)
    t.ok(Math.abs(variance * 3 * rows - 1) < 0.2, `${operation}: ${variance * 3 * rows}`)
  }
})

t.test('widths of mixed dimension', async t => {
  // The reference's md_solver, PyTorch 2.13.
  const criteo = [1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3]
  const dims = (temperature: number, roundDims: boolean) =>
    mixedDims(criteo, 64, { threshold: 0, temperature, roundDims })
  t.same(dims(0.3, false), [10, 13, 1, 1, 16, 34, 5, 13, 64])
  t.same(dims(0.3, true), [8, 16, 1, 1, 16, 32, 4, 16, 64])
  t.same(dims(0.1, true), [32, 32, 16, 16, 32, 64, 32, 32, 64])
  t.same(mixedDims([10, 200, 201, 5000], 16, { threshold: 200, temperature: 0.3, roundDims: false }), [16, 16, 7, 2])
  t.same(mixedDims([100, 100], 12, { threshold: 0, temperature: 0.3, roundDims: true }), [12, 12], 'never wider than E')
})

t.test("PyTorch's generator", async t => {
  // torch.manual_seed(9); torch.empty(n).normal_() for n of 3, 1, 5, 16, 20; then torch.empty(3).uniform_(-0.5, 2)
  const random = new TorchRandom(new RandomState(9))
  for (const n of [3, 1, 5, 16, 20]) random.skipNormal(n)
  const out = new Float32Array(3)
  random.fillUniform(out, -0.5, 2)
  t.same(out, Float32Array.from([-0.48253941535949707, 1.8880219459533691, -0.20209062099456787]))
})

t.test('saved, loaded, described', async t => {
  const dir = t.testdir({})
  for (const [config, names, text] of [
    [
      { qr: { threshold: 8, collisions: 3, operation: 'concat' } },
      ['emb_l.1.weight_q', 'emb_l.1.weight_r'],
      /qr +threshold 8, collisions 3, operation concat, poolFirst false/,
    ],
    [
      { md: { threshold: 8, temperature: 0.8 } },
      ['emb_l.1.embs.weight', 'emb_l.1.proj.weight'],
      /md +threshold 8, temperature 0.8, roundDims false/,
    ],
  ] as const) {
    const model = make({ ...config, seed: 4 })
    const path = join(dir, 'm.safetensors')
    await model.save(path)
    const loaded = await DLRM.load(path)
    t.same(loaded.config, model.config)
    t.same(await loaded.predict(batches[0]!), await model.predict(batches[0]!))
    const { out } = await runCli(['info', path])
    t.match(out, text)
    for (const name of names) t.match(out, name)
  }
})

t.test('what does not go together is refused', async t => {
  const refused = (message: RegExp, options: Partial<DLRMOptions>) =>
    t.throws(() => make(options), { code: 'ERR_ARGUMENT', message })
  refused(/qr, md/, { qr: {}, md: {} })
  refused(/learned/, { qr: {}, weightedPooling: 'learned' })
  refused(/learned/, { md: {}, weightedPooling: 'learned' })
  refused(/max/, { qr: {}, pooling: 'max' })
  refused(/max/, { md: {}, pooling: 'max' })
  refused(/qr.operation/, { qr: { operation: 'divide' as never } })
  refused(/qr.collisions/, { qr: { collisions: 0 } })
  refused(/qr.threshold/, { qr: { threshold: -1 } })
  refused(/md.temperature/, { md: { temperature: -1 } })
  refused(/even number/, { qr: { operation: 'concat' }, embeddingDim: 5, bottom: [5] })
  refused(/torchRandom/, { qr: {}, random: new RandomState(1) })
})

t.test('on the command line', async t => {
  const shape = [
    '--data-generation=synthetic',
    '--arch-embedding-size=900-50-700',
    '--arch-mlp-bot=13-16-8',
    '--arch-sparse-feature-size=8',
    '--arch-mlp-top=8-1',
    '--data-size=3000',
    '--json',
  ]
  const run = (...flags: string[]) => runCli(['train', ...shape, ...flags])
  for (const flags of [['--qr-flag'], ['--md-flag', '--md-round-dims', '--md-temperature=0.5']]) {
    const { code, err } = await run(...flags)
    t.equal(code, 0, err)
  }
  const concat = shape.map(flag => flag.replace('size=8', 'size=4'))
  t.equal((await runCli(['train', ...concat, '--qr-flag', '--qr-operation=concat'])).code, 0)
  t.match(await run('--qr-collisions=4'), { code: 2, err: /only with --qr-flag/ })
  t.match(await run('--md-threshold=4'), { code: 2, err: /only with --md-flag/ })
  t.match(await run('--qr-flag', '--md-flag'), { code: 2, err: /not both/ })
  t.match(await run('--qr-flag', '--pooling=max'), { code: 2, err: /--pooling=max/ })
  t.match(await run('--md-flag', '--weighted-pooling=learned'), { code: 2, err: /--weighted-pooling=learned/ })
})
