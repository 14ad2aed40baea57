/** Pooling, shared vocabularies and buckets of a file's columns: from the options through schema and model file to predictions. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { openCriteo } from '../../lib/data/criteo.js'
import { type CsvOptions, openCsv } from '../../lib/data/csv.js'
import { quantiles } from '../../lib/data/quantiles.js'
import { Schema, type SchemaJson } from '../../lib/data/schema.js'
import type { DataSet } from '../../lib/data/source.js'
import { writeCriteo } from '../../lib/data/write_criteo.js'
import { DeepFM } from '../../lib/models/deepfm.js'
import { DLRM } from '../../lib/models/dlrm.js'
import { loadModel } from '../../lib/models/kinds.js'
import type { Model } from '../../lib/models/model.js'
import { WideDeep } from '../../lib/models/wide_deep.js'
import { SGD } from '../../lib/optim/sgd.js'

// A reading thread takes a second to start under tap's TypeScript loader, and many seconds on a busy machine.
t.setTimeout(600_000)

const WORDS = ['ant', 'bee', 'cat', 'dog', 'eel']
const ROWS = 240

/** Cells of row i: the last bought item, the items before it, a shop, an age (some missing) and a price. */
function rowOf(i: number) {
  const seen = Array.from({ length: 1 + (i % 4) }, (_, k) => WORDS[(i * (k + 2) + k) % 5]!)
  return {
    y: Number((i * 7) % 5 < 2),
    item: i % 11 === 3 ? '' : WORDS[(i * 3) % 4]!,
    seen: i % 13 === 5 ? '' : seen.join('|'),
    shop: `s${i % 3}`,
    age: i % 6 === 1 ? '' : String((i * 17) % 80),
    price: String(((i * 29) % 100) / 8 - 3),
  }
}

const rows = Array.from({ length: ROWS }, (_, i) => rowOf(i))

function write(t: Test): string {
  const path = join(t.testdir(), 'rows.csv')
  const names = Object.keys(rows[0]!)
  writeFileSync(path, `${[names, ...rows.map(row => Object.values(row))].map(cells => cells.join()).join('\n')}\n`)
  return path
}

const columns: NonNullable<CsvOptions['columns']> = { seen: { separator: '|' }, age: { transform: 'log1p' } }
const OPTIONS: CsvOptions = {
  label: 'y',
  dense: ['age', 'price'],
  columns,
  validFraction: 0,
  pooling: { seen: 'mean' },
  sharing: { seen: 'item' },
  buckets: { age: 5, price: [-1, 0, 4.5] },
}

async function first(data: DataSet, batchSize = ROWS): Promise<Batch> {
  for await (const { batch } of data.train.batches({ batchSize })) return batch
  throw new Error('no rows')
}

const plain = ({ tables, ...rest }: Batch) => ({
  ...rest,
  tables: tables.map(({ offsets, indices }) => [[...offsets].map(Number), [...indices].map(Number)]),
})

t.test('the options are in the schema: one vocabulary counted over both columns, boundaries by quantile', async t => {
  const data = await openCsv(write(t), OPTIONS)
  const [item, seen, shop] = data.schema.categorical
  const counts = new Map<string, number>()
  for (const row of rows) {
    for (const word of [row.item, ...row.seen.split('|')]) if (word) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const expected = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([word]) => word)
  t.equal(
    rows.some(row => row.item === 'eel'),
    false,
    'a word of one column alone',
  )
  t.match(item, { name: 'item', encode: 'vocabulary', size: 6, values: expected })
  t.match(seen, { name: 'seen', size: 6, values: expected, separator: '|', pooling: 'mean', sharing: 'item' })
  t.match(shop, { name: 'shop', size: 4 })

  const bare = await openCsv(write(t), { ...OPTIONS, buckets: {}, validFraction: 0 })
  const [ages] = await quantiles(bare.train, 5)
  t.equal(ages!.length, 4)
  t.same(data.schema.dense, [
    { name: 'age', transform: 'log1p', buckets: ages },
    { name: 'price', transform: 'identity', buckets: [-1, 0, 4.5] },
  ])
  t.strictSame(data.schema.inputs, {
    dense: 2,
    tables: [6, 6, 4],
    tableNames: ['item', 'seen', 'shop'],
    columns: { seen: { pooling: 'mean', sharing: 'item' } },
    buckets: [
      { name: 'age', feature: 0, boundaries: ages },
      { name: 'price', feature: 1, boundaries: [-1, 0, 4.5] },
    ],
  })
  t.same(bare.schema.inputs.buckets, undefined)

  const json = JSON.parse(JSON.stringify(data.schema))
  t.same(json.categorical[1].values, [], 'the vocabulary is written once')
  const read = Schema.fromJSON(json)
  t.same(read, data.schema)
  t.same(read.toJSON(), data.schema.toJSON())
  const batch = await first(data)
  t.same(plain(read.encodeRows(rows)), plain(batch))
  t.equal(data.train.size, ROWS)
  await data.close()
  await bare.close()
})

t.test('values that both columns have make minCount together; hashes and ids of both are the same', async t => {
  const path = join(t.testdir(), 'pairs.csv')
  writeFileSync(path, 'y,a,b\n1,x,z\n0,y,x\n1,z,w\n')
  const open = (options: Partial<CsvOptions>) =>
    openCsv(path, { label: 'y', sharing: { b: 'a' }, validFraction: 0, ...options })
  const counted = await open({ minCount: 2 })
  t.same(
    counted.schema.categorical.map(c => c.encode === 'vocabulary' && c.values),
    [
      ['x', 'z'],
      ['x', 'z'],
    ],
  )
  t.same(
    (await first(counted, 3)).tables.map(bags => [...bags.indices]),
    [
      [1, 0, 2],
      [2, 1, 0],
    ],
  )
  const hashed = await open({ columns: { a: { encode: 'hash', size: 97 } } })
  const { tables } = await first(hashed, 3)
  t.equal(tables[0]!.indices[0], tables[1]!.indices[1])
  t.equal(tables[0]!.indices[2], tables[1]!.indices[0])
  writeFileSync(path, 'y,a,b\n1,3,40\n0,5,2\n')
  const ids = await open({ encode: 'id' })
  t.same(ids.schema.tableSizes, [41, 41], 'as many as the largest id of both')
  for (const data of [counted, hashed, ids]) await data.close()
})

/** What DeepFM without hidden layers computes on these inputs, from its parameters: one linear part, pairs, one layer. */
function byHand(model: Model, schema: Schema, batch: Batch): number[] {
  const state = model.state()
  const get = (name: string) => state.get(name)!
  // Tables in the order of the columns: item and seen share 0, shop, then the buckets of age and price.
  const tableOf = [0, 0, 1, 2, 3]
  const row = (prefix: string, table: number, r: number): number[] => {
    const { data, shape } = get(`${prefix}.${table}.weight`)
    return [...data.subarray(r * shape[1]!, (r + 1) * shape[1]!)]
  }
  return Array.from({ length: batch.size }, (_, b) => {
    const bags = batch.tables.map(({ offsets, indices }) =>
      Array.from(indices.slice(Number(offsets[b]), Number(offsets[b + 1])), Number),
    )
    schema.dense.forEach(({ buckets }, d) => {
      const x = batch.dense![b * 2 + d]!
      bags.push([buckets!.filter(boundary => Math.fround(boundary) <= x).length])
    })
    const pooled = (prefix: string) =>
      bags.map((ids, c) => {
        const vectors = ids.map(id => row(prefix, tableOf[c]!, id))
        const share = c === 1 ? ids.length : 1
        return vectors[0]!.map((_, e) => vectors.reduce((sum, v) => sum + v[e]!, 0) / share)
      })
    const vectors = pooled('emb')
    let logit = get('linear.bias').data[0]! + get('mlp.0.bias').data[0]!
    for (const [weight] of pooled('linear')) logit += weight!
    for (let i = 0; i < 5; i++)
      for (let j = 0; j < i; j++) logit += vectors[i]!.reduce((sum, x, e) => sum + x * vectors[j]![e]!, 0)
    vectors.flat().forEach((x, k) => {
      logit += x * get('mlp.0.weight').data[k]!
    })
    return 1 / (1 + Math.exp(-logit))
  })
}

t.test('a model of shared, mean-pooled and bucketised columns is what a plain computation says', async t => {
  const data = await openCsv(write(t), OPTIONS)
  const model = new DeepFM({ ...data.schema.inputs, embeddingDim: 5, embeddingStd: 0.3, hidden: [], seed: 3 })
  t.same(
    [...model.state()].filter(([name]) => name.startsWith('emb.')).map(([, { shape }]) => shape),
    [
      [6, 5],
      [4, 5],
      [data.schema.dense[0]!.buckets!.length + 1, 5],
      [4, 5],
    ],
  )
  await model.fit(data, { batchSize: 32, epochs: 5, optimizer: new SGD({ lr: 0.5 }), seed: 1 })
  const batch = await first(data)
  const expected = byHand(model, data.schema, batch)
  const predictions = await model.predict(batch)
  predictions.forEach((p, b) => {
    if (Math.abs(p - expected[b]!) > 1e-5) t.fail(`row ${b}: ${p}, by hand ${expected[b]}`)
  })
  t.ok(Math.max(...expected) - Math.min(...expected) > 0.1, 'it has learnt something')
  await data.close()
})

const variants: [string, Partial<CsvOptions>, (schema: Schema) => Model][] = [
  ['mean', { sharing: {}, buckets: {} }, s => new DeepFM({ ...s.inputs, hidden: [8] })],
  ['max', { pooling: { seen: 'max' }, sharing: {}, buckets: {} }, s => new DeepFM({ ...s.inputs, hidden: [8] })],
  ['shared', { pooling: {}, buckets: {} }, s => new DeepFM({ ...s.inputs, hidden: [8] })],
  ['buckets', { pooling: {}, sharing: {} }, s => new DeepFM({ ...s.inputs, hidden: [8] })],
  ['one bucket', { pooling: {}, sharing: {}, buckets: { price: [] } }, s => new DeepFM({ ...s.inputs, hidden: [8] })],
  [
    'widths and crosses with a bucket',
    {},
    s => new WideDeep({ ...s.inputs, hidden: [8], embeddingDims: { shop: 3, age: 2 }, crosses: [['age', 'shop']] }),
  ],
  ['all, in a DLRM', {}, s => new DLRM({ ...s.inputs, embeddingDim: 4, top: [8] })],
  [
    'all, in a DLRM of its own making',
    { buckets: { age: 3 } },
    s =>
      new DLRM({
        ...s.inputs,
        embeddingDim: 4,
        bottom: [6],
        top: [8],
        interaction: 'cat',
        embeddingDims: { shop: 7 },
        norm: 'batch',
        dropout: 0.2,
        embeddingStd: 0.01,
      }),
  ],
  [
    'buckets in a compressed DLRM',
    { pooling: {}, sharing: {} },
    s => new DLRM({ ...s.inputs, embeddingDim: 4, top: [8], qr: { threshold: 3, collisions: 2 } }),
  ],
]

for (const [name, options, make] of variants) {
  t.test(`saved and loaded, raw rows mean the same: ${name}`, async t => {
    const path = write(t)
    const data = await openCsv(path, { ...OPTIONS, ...options })
    const model = make(data.schema)
    await model.fit(data, { batchSize: 32, epochs: 2, optimizer: new SGD({ lr: 0.1 }) })
    const batch = await first(data)
    const expected = await model.predict(batch)
    t.ok(new Set(expected).size > 5)
    const file = join(t.testdirName, 'm.safetensors')
    await model.save(file)
    const loaded = await loadModel(file)
    t.same(loaded.config, model.config)
    t.same(loaded.schema, data.schema)
    t.same(await loaded.predictRows(rows), expected)
    const again = await openCsv(path, { label: 'y', schema: loaded.schema!, validFraction: 0 })
    t.same(plain(await first(again)), plain(batch))
    t.same(again.schema.inputs, data.schema.inputs)
    await data.close()
    await again.close()
  })
}

t.test('Criteo: buckets by quantile and shared hashes', async t => {
  const path = join(t.testdir(), 'train.txt')
  writeCriteo(path, { rows: 500, seed: 3 })
  const data = await openCriteo(path, { hashSize: 50, buckets: { I1: 10, I13: 4 }, sharing: { C2: 'C1' } })
  const { dense, buckets, columns: shared } = data.schema.inputs
  t.equal(dense, 13)
  t.same(
    buckets!.map(({ name, feature }) => [name, feature]),
    [
      ['I1', 0],
      ['I13', 12],
    ],
  )
  t.ok(buckets!.every(({ boundaries }) => boundaries.length > 0 && boundaries.length < 10))
  t.same(shared, { C2: { sharing: 'C1' } })
  t.equal(data.train.size, 451, 'all rows were among the first')
  const model = new DeepFM({ ...data.schema.inputs, hidden: [4] })
  t.equal(model.state().get('emb_dense.weight')!.shape[0], 11, 'the other features are numbers')
  await data.close()
})

t.test('what makes no sense is refused by name', async t => {
  const path = write(t)
  const cases: [Partial<CsvOptions>, RegExp][] = [
    [{ pooling: { nobody: 'mean' } }, /pooling: "nobody" is none of the columns item, seen, shop/],
    [{ pooling: { shop: 'mean' } }, /shop: pooling: expected a separator of several values with it, received "mean"/],
    [{ pooling: { seen: 'median' as never } }, /seen: pooling: expected sum, mean or max, received "median"/],
    [{ sharing: { age: 'item' } }, /sharing: "age" is none of the columns/],
    [{ sharing: { seen: 'age' } }, /seen: sharing: expected the name of a categorical column, received "age"/],
    [{ sharing: { seen: 'item', shop: 'seen' } }, /shop: sharing: seen has no table of its own to share/],
    [{ sharing: { seen: 'seen' } }, /seen: sharing: seen has no table of its own/],
    [
      { columns: { ...columns, item: { encode: 'hash', size: 9 }, seen: { encode: 'vocabulary', separator: '|' } } },
      /seen: sharing: expected encode hash as item has, received vocabulary/,
    ],
    [
      { encode: 'hash', size: 9, columns: { ...columns, seen: { size: 8, separator: '|' } } },
      /seen: sharing: expected size 9 as item has, received 8/,
    ],
    [{ buckets: { item: 3 } }, /buckets: "item" is none of the columns age, price/],
    [{ buckets: { age: 1 } }, /buckets of "age": expected an integer >= 2, received 1/],
    [{ buckets: { age: [2, 2] } }, /age: buckets: expected finite ascending numbers/],
    [{ buckets: { age: [1, Number.POSITIVE_INFINITY] } }, /age: buckets/],
    [{ buckets: { age: '3' as never } }, /age: buckets/],
  ]
  for (const [options, message] of cases) {
    await t.rejects(openCsv(path, { ...OPTIONS, ...options }), { code: 'ERR_ARGUMENT', message })
  }
  const schema = new Schema({ label: 'y' })
  await t.rejects(openCsv(path, { label: 'y', schema, buckets: {} }), {
    code: 'ERR_ARGUMENT',
    message: /buckets: not with/,
  })

  const json: SchemaJson = {
    version: 1,
    label: 'y',
    dense: [{ name: 'd', transform: 'identity' }],
    categorical: [
      { name: 'a', encode: 'vocabulary', size: 3, values: ['u', 'v'] },
      { name: 'b', encode: 'vocabulary', size: 3, values: [], sharing: 'a', separator: '|' },
    ],
  }
  const [a, b] = json.categorical as [object, object]
  t.same(Schema.fromJSON(json).categorical[1], { ...b, values: ['u', 'v'] })
  t.same(Schema.fromJSON({ ...json, categorical: [a, { ...b, values: ['u', 'v'] }] }), Schema.fromJSON(json))
  const lies: object[] = [
    { dense: [{ name: 'd', transform: 'identity', buckets: 4 }] },
    { dense: [{ name: 'd', transform: 'identity', buckets: ['1'] }] },
    { dense: [{ name: 'd', transform: 'identity', buckets: [2, 1] }] },
    { categorical: [a, { ...b, values: ['v', 'u'] }] },
    { categorical: [a, { ...b, size: 4 }] },
    { categorical: [a, { ...b, sharing: 7 }] },
    { categorical: [a, { ...b, sharing: 'b' }] },
    { categorical: [a, { ...b, encode: 'id' }] },
    { categorical: [a, { ...b, pooling: 'avg' }] },
    { categorical: [{ ...a, pooling: 'max' }] },
  ]
  for (const lie of lies)
    t.throws(() => Schema.fromJSON({ ...json, ...lie }), { code: 'ERR_FORMAT' }, JSON.stringify(lie))
})
