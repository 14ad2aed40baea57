/** What DLRM has in common with the other models: norm, dropout, embeddingStd; and widths of single columns, in every model. */
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { RandomState } from '../../lib/data/numpy_random.js'
import { DLRM, type DLRMOptions } from '../../lib/models/dlrm.js'
import { modelKinds } from '../../lib/models/kinds.js'
import { SGD } from '../../lib/optim/sgd.js'

const TABLES = [30, 20, 10]

/** Three columns, one id each. */
function batchOf(size: number, dense = 0): Batch {
  const offsets = Int32Array.from({ length: size + 1 }, (_, b) => b)
  return {
    size,
    dense: Float32Array.from({ length: size * dense }, (_, i) => ((i * 31) % 17) / 8 - 1),
    tables: TABLES.map((rows, t) => ({
      offsets,
      indices: Int32Array.from({ length: size }, (_, b) => (b * (2 * t + 3) + t) % rows),
    })),
    labels: Float32Array.from({ length: size }, (_, b) => Number((b * 7) % 5 < 2)),
  }
}

async function trained(options: Partial<DLRMOptions>, steps = 20): Promise<DLRM> {
  const model = new DLRM({ dense: 0, tables: TABLES, embeddingDim: 5, top: [7, 6], interaction: 'cat', ...options })
  await model.compile({ optimizer: new SGD({ lr: 0.3 }), maxBatch: 64 })
  for (let i = 0; i < steps; i++) await model.step(batchOf(64, options.dense))
  return model
}

/** Linear -> norm -> relu of each hidden layer, then the last one: what `norm` means, in plain numbers. */
function byHand(model: DLRM, batch: Batch, norm: 'batch' | 'layer'): number[] {
  const state = model.state()
  const get = (name: string): Float32Array => state.get(name)!.data
  const linear = (x: number[], l: number): number[] => {
    const bias = get(`top_l.${l}.0.bias`)
    const weight = get(`top_l.${l}.0.weight`)
    return Array.from(bias, (b, n) => x.reduce((sum, value, k) => sum + value * weight[n * x.length + k]!, b))
  }
  const normed = (x: number[], name: string): number[] => {
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length
    return x.map((value, k) => {
      const [m, v] =
        norm === 'layer' ? [mean, variance] : [get(`${name}.running_mean`)[k]!, get(`${name}.running_var`)[k]!]
      return ((value - m) / Math.sqrt(v + 1e-5)) * get(`${name}.weight`)[k]! + get(`${name}.bias`)[k]!
    })
  }
  return Array.from({ length: batch.size }, (_, b) => {
    let x = batch.tables.flatMap(({ indices }, t) => {
      const { data, shape } = state.get(`emb_l.${t}.weight`)!
      const r = Number(indices[b])
      return [...data.subarray(r * shape[1]!, (r + 1) * shape[1]!)]
    })
    for (const l of [0, 1]) x = normed(linear(x, l), `top_l.${l}.norm`).map(value => Math.max(0, value))
    return 1 / (1 + Math.exp(-linear(x, 2)[0]!))
  })
}

for (const norm of ['batch', 'layer'] as const) {
  t.test(`the concatenation of embeddings, without bottom MLP, in an MLP with ${norm} norm`, async t => {
    const model = await trained({ norm, embeddingStd: 0.1, embeddingDims: { C2: 3 } })
    const shapes = [...model.state()].map(([name, { shape }]) => `${name} ${shape.join('x')}`)
    t.ok(shapes.includes('emb_l.1.weight 20x3'))
    t.ok(shapes.includes('top_l.0.0.weight 7x13'))
    const batch = batchOf(40)
    const expected = byHand(model, batch, norm)
    const predictions = await model.predict(batch)
    t.ok(Math.max(...expected) - Math.min(...expected) > 0.05, 'it has learnt something')
    const furthest = Math.max(...expected.map((p, b) => Math.abs(p - predictions[b]!)))
    t.ok(furthest < 2e-5, `within ${furthest}`)
  })
}

t.test('dropout drops in steps only, in both MLPs; with neither, all is as it was', async t => {
  const plain = await trained({ dense: 4, bottom: [6], interaction: 'dot' })
  const same = await trained({
    dense: 4,
    bottom: [6],
    interaction: 'dot',
    norm: 'none',
    dropout: 0,
    embeddingStd: null,
  })
  t.same(same.state(), plain.state())
  t.same([...plain.state().keys()].slice(0, 5), [
    ...TABLES.map((_, t) => `emb_l.${t}.weight`),
    'bot_l.0.weight',
    'bot_l.0.bias',
  ])
  const dropping = await trained({ dense: 4, bottom: [6], interaction: 'dot', dropout: 0.5 }, 1)
  const names = [...dropping.state().keys()].filter(name => name.endsWith('.0.weight') && name.includes('_l.'))
  t.same(names, [
    'emb_l.0.weight',
    'bot_l.0.0.weight',
    'bot_l.1.0.weight',
    'top_l.0.0.weight',
    'top_l.1.0.weight',
    'top_l.2.0.weight',
  ])
  const batch = batchOf(64, 4)
  const before = await dropping.predict(batch)
  t.same(await dropping.predict(batch), before)
  const { loss } = await dropping.evaluate(batch)
  t.not(await dropping.step(batch), loss, 'the loss of a step is with dropout')
})

t.test('tables start uniform in +-sqrt(1 / R), or normal', async t => {
  const sizes = { dense: 0, tables: [400, 9], embeddingDim: 50 }
  const table = (options: Partial<DLRMOptions>) =>
    new DLRM({ ...sizes, ...options }).state().get('emb_l.0.weight')!.data
  const deviation = (x: Float32Array) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length)
  const uniform = table({})
  t.ok(uniform.every(x => Math.abs(x) <= 0.05) && Math.abs(deviation(uniform) / 0.05 - Math.sqrt(1 / 3)) < 0.02)
  const normal = table({ embeddingStd: 0.2 })
  t.ok(normal.some(x => Math.abs(x) > 0.6) && Math.abs(deviation(normal) / 0.2 - 1) < 0.02)
  // With the reference's random numbers too: what it does not have keeps its own start.
  const random = new DLRM({ ...sizes, top: [3], embeddingStd: 0.2, norm: 'layer', random: new RandomState(3) })
  t.same(
    random.state().get('emb_l.0.weight')!.data,
    new DLRM({ ...sizes, embeddingStd: 0.2 }).state().get('emb_l.0.weight')!.data,
  )
  t.same([...random.state().get('top_l.0.norm.weight')!.data], [1, 1, 1])
})

const CONCATENATING = ['dcn', 'dcn_v2', 'wide_deep', 'youtube_ranking']

for (const [kind, ModelClass] of modelKinds) {
  t.test(`widths of single columns: ${kind}`, async t => {
    const tables = kind === 'mf' ? TABLES.slice(1) : TABLES
    const inputs = { dense: 0, tables, ...(kind === 'dlrm' ? { embeddingDim: 5 } : {}) }
    const make = (options: object) => new ModelClass({ ...inputs, ...options })
    if (!CONCATENATING.includes(kind)) {
      const message = new RegExp(`\\[${kind}\\] embeddingDims: `)
      t.throws(() => make({ embeddingDims: { C2: 3 } }), { code: 'ERR_ARGUMENT', message })
      return
    }
    const model = make({ hidden: [6], embeddingDims: { C2: 3 } })
    t.same(
      [...Array(3).keys()].map(i => model.state().get(`emb.${i}.weight`)!.shape[1]),
      [10, 3, 10],
    )
    await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 8 })
    t.ok(Number.isFinite(await model.step(batchOf(8))))
    t.same((model.config as { embeddingDims: object }).embeddingDims, { C2: 3 })
    for (const [embeddingDims, message] of [
      [{ C9: 3 }, /no column "C9"; there are C1, C2, C3/],
      [{ C1: 0 }, /embeddingDims: expected integers >= 1 by column/],
      [[3], /embeddingDims: expected integers/],
    ] as const) {
      t.throws(() => make({ embeddingDims }), { code: 'ERR_ARGUMENT', message })
    }
    const columns = { C3: { sharing: 'C1' } }
    t.throws(() => make({ columns, embeddingDims: { C3: 3 } }), {
      code: 'ERR_ARGUMENT',
      message: /C3 has the table of C1/,
    })
    t.same(
      make({ columns, embeddingDims: { C1: 3 } })
        .state()
        .get('emb.0.weight')!.shape,
      [30, 3],
    )
  })
}

t.test('NormDNN without normalised embeddings, DLRM that concatenates', async t => {
  const { NormDNN } = await import('../../lib/models/norm_dnn.js')
  const embeddingDims = { C2: 3 }
  const model = new NormDNN({ tables: TABLES, embeddingDims, embeddingNorm: 'none' })
  t.same(model.state().get('emb.1.weight')!.shape, [20, 3])
  t.throws(() => new NormDNN({ tables: TABLES, embeddingDims, embeddingNorm: 'none', fm: true }), {
    code: 'ERR_ARGUMENT',
    message: /\[norm_dnn\] embeddingDims: C2/,
  })
})

t.test('what a DLRM cannot have', async t => {
  const make = (options: Partial<DLRMOptions>) => new DLRM({ dense: 2, tables: TABLES, embeddingDim: 4, ...options })
  const cases: [Partial<DLRMOptions>, RegExp][] = [
    [{ norm: 'group' as never }, /\[dlrm\] norm: expected none or batch or layer/],
    [{ dropout: 1 }, /\[dlrm\] dropout: expected a number in \[0, 0.99\], received 1/],
    [{ embeddingStd: -1 }, /\[dlrm\] embeddingStd/],
    [{ qr: {}, embeddingStd: 0.1 }, /embeddingStd: goes with full tables only/],
    [{ md: {}, interaction: 'cat', embeddingDims: { C1: 2 } }, /embeddingDims: goes with full tables only/],
    [{ qr: {}, columns: { C1: { pooling: 'mean' } } }, /columns: goes with full tables only/],
    [{ weightedPooling: 'learned', columns: { C1: { pooling: 'max' } } }, /./],
    [{ random: new RandomState(1), columns: { C1: { pooling: 'mean' } } }, /\[dlrm\] random/],
    [{ random: new RandomState(1), buckets: [{ feature: 0, boundaries: [1] }] }, /\[dlrm\] random/],
    [{ buckets: [{ feature: 2, boundaries: [1] }] }, /bucketize: feature: expected an integer in \[0, 1\]/],
    [{ columns: { C4: {} } }, /no column "C4"/],
  ]
  for (const [options, message] of cases) t.throws(() => make(options), { code: 'ERR_ARGUMENT', message })
  const cut = [0, 1].map(feature => ({ feature, boundaries: [0] }))
  t.notOk(
    [...make({ buckets: cut }).state().keys()].some(name => name.startsWith('bot_l')),
    'no numbers, no bottom MLP',
  )
})
