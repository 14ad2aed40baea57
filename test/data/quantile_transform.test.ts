/** Dense columns normalised by quantile: the numbers, then from the options through schema and model file to predictions. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { criteoColumns, openCriteo } from '../../lib/data/criteo.js'
import { type CsvOptions, openCsv } from '../../lib/data/csv.js'
import { boundaries, cumulative, steps } from '../../lib/data/quantiles.js'
import { Schema, type SchemaJson } from '../../lib/data/schema.js'
import type { DataSource } from '../../lib/data/source.js'
import { writeCriteo } from '../../lib/data/write_criteo.js'
import { loadModel } from '../../lib/models/kinds.js'
import { YouTubeRanking } from '../../lib/models/youtube_ranking.js'
import { Adam } from '../../lib/optim/adam.js'
import { objects, runCli } from '../support/cli.js'
import { Generator } from '../support/generator.js'

// A reading thread takes a second to start under tap's TypeScript loader, and many seconds on a busy machine.
t.setTimeout(600_000)

const BELOW_ONE = 1 - 2 ** -24

/** F as its definition reads, by going through the boundaries. */
function byHand(b: readonly number[], x: number): number {
  const n = b.length - 1
  const i = b.filter(each => each <= x).length - 1
  if (i < 0) return 0
  if (i === n) return BELOW_ONE
  return Math.fround(Math.min(BELOW_ONE, (i + (x - b[i]!) / (b[i + 1]! - b[i]!)) / n))
}

t.test('the cumulative distribution between given boundaries', async t => {
  const f = cumulative([-1, 0, 0, 4, 8])
  t.same([-5, -1, -0.5, 0, -0, 1, 4, 6, 7.999999999, 8, 1e30].map(f), [
    0,
    0,
    0.125,
    0.5,
    0.5,
    0.5625,
    0.75,
    0.875,
    BELOW_ONE,
    BELOW_ONE,
    BELOW_ONE,
  ])
  t.same([2, 3, 4].map(cumulative([3, 3])), [0, BELOW_ONE, BELOW_ONE], 'a constant')
  t.equal(cumulative([0.1, 0.1, 0.5])(0.1), 0.5, 'a value is as float32 as the boundaries')
  t.equal(cumulative([-3e38, 3e38])(0), 0.5, 'the widest range')
  const float = fc.float({ noNaN: true, noDefaultInfinity: true })
  fc.assert(
    fc.property(fc.array(float, { minLength: 2, maxLength: 40 }), fc.array(float), (values, others) => {
      const b = values.sort((x, y) => x - y)
      const cdf = cumulative(b)
      const at = [...b, ...others].sort((x, y) => x - y)
      const found = at.map(x => Math.fround(cdf(x)))
      return found.every((y, k) => y === byHand(b, at[k]!) && y >= 0 && y < 1 && (k === 0 || y >= found[k - 1]!))
    }),
  )
})

t.test('boundaries of values: quantiles, all values of few, ties in their place', async t => {
  t.same(steps(Float32Array.of(7)), [7, 7])
  t.same(steps(Float32Array.of(1, 2, 5)), [1, 2, 5])
  t.same(steps(Float32Array.of(0, 0, 0, 9)), [0, 0, 0, 9])
  const random = new Generator(5)
  const skewed = Float32Array.from(random.unit(10_000), x => x ** 6 * 1000).sort()
  const b = steps(skewed)
  t.same([b.length, b[0], b[256]], [257, skewed[0], skewed[9999]])
  const cdf = cumulative(b)
  const worst = skewed.reduce((most, x, rank) => Math.max(most, Math.abs(cdf(x) - rank / 10_000)), 0)
  t.ok(worst < 1 / 256, `${worst}: every value is where its rank says`)
  const mostly = Float32Array.from({ length: 10_000 }, (_, i) => Math.max(0, i - 8999)).sort()
  const f = cumulative(steps(mostly))
  t.ok(Math.abs(f(0) - 0.9) < 1 / 256, `${f(0)}: nine in ten are 0`)
  t.ok(Math.abs(f(500) - 0.95) < 1 / 256, `${f(500)}`)
})

const ROWS = 300
const rows = Array.from({ length: ROWS }, (_, i) => ({
  y: Number((i * 7) % 5 < 2),
  seconds: String(1 + ((i * 7) % 5 < 2 ? (i % 9) + ((i * 17) % 90) / 10 : 0)),
  item: `w${i % 6}`,
  age: i % 6 === 1 ? '' : String((i * 17) % 80),
  price: String(((i * 29) % 100) / 7 - 3),
  gap: i % 4 === 0 ? `"${((i * 13) % 50) * 1e-3}"` : '-20',
}))
const raw = rows.map(row => ({ ...row, gap: row.gap.replaceAll('"', '') }))
const DENSE = ['age', 'price', 'gap'] as const

function write(t: Test): string {
  const path = join(t.testdir(), 'rows.csv')
  const lines = [Object.keys(rows[0]!), ...rows.map(row => Object.values(row))].map(cells => cells.join())
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

const OPTIONS: CsvOptions = { label: 'y', weight: 'seconds', dense: DENSE, transform: 'quantile', validFraction: 0 }

async function all(source: DataSource): Promise<Batch> {
  for await (const { batch } of source.batches({ batchSize: ROWS })) return batch
  throw new Error('no rows')
}

const sortedOf = (name: (typeof DENSE)[number]) => Float32Array.from(raw, row => Number(row[name])).sort()

t.test('openCsv finds the quantiles; file and raw rows are encoded the same, bit by bit', async t => {
  const path = write(t)
  const data = await openCsv(path, OPTIONS)
  t.same(
    data.schema.dense,
    DENSE.map(name => ({ name, transform: 'quantile', boundaries: steps(sortedOf(name)) })),
  )
  t.equal(data.train.size, ROWS)
  const { dense } = await all(data.train)
  const expected = raw.flatMap(row =>
    data.schema.dense.map(({ boundaries }, d) => byHand(boundaries!, Math.fround(Number(row[DENSE[d]!])))),
  )
  t.same([...dense!], expected)
  t.ok(dense![3]! > 0, 'a missing value is where 0 is')
  t.equal(dense![3], byHand(data.schema.dense[0]!.boundaries!, 0))
  t.same(data.schema.encodeRows(raw).dense, dense)
  t.same(data.schema.encodeRows(raw.map(row => ({ ...row, price: Number(row.price), age: null }))).dense![1], dense![1])

  const read = Schema.fromJSON(JSON.parse(JSON.stringify(data.schema)))
  t.same(read, data.schema)
  t.same(read.encodeRows(raw).dense, dense)
  const again = await openCsv(path, { label: 'y', schema: read, validFraction: 0 })
  t.same((await all(again.train)).dense, dense)
  await data.close()
  await again.close()
})

t.test('of the training split alone; other transforms and buckets beside it', async t => {
  const path = write(t)
  const data = await openCsv(path, {
    ...OPTIONS,
    validFraction: 0.4,
    transform: 'identity',
    columns: { age: { transform: 'quantile' }, gap: { transform: 'log1p' } },
    buckets: { age: 4, price: 3 },
  })
  const train = await all(data.train)
  const plain = new Schema({ label: 'y', dense: DENSE.map(name => ({ name, transform: 'identity' })) })
  const first = raw.slice(0, train.size)
  const ages = plain.encodeRows(first).dense!.filter((_, i) => i % 3 === 0)
  const prices = plain.encodeRows(first).dense!.filter((_, i) => i % 3 === 1)
  const found = steps(ages.sort())
  t.ok(train.size < 200)
  t.same(data.schema.dense, [
    { name: 'age', transform: 'quantile', boundaries: found, buckets: boundaries(ages.map(cumulative(found)), 4) },
    { name: 'price', transform: 'identity', buckets: boundaries(prices.sort(), 3) },
    { name: 'gap', transform: 'log1p' },
  ])
  t.same(train.dense, data.schema.encodeRows(first).dense)
  t.same((await all(data.valid!)).dense, data.schema.encodeRows(raw.slice(train.size)).dense)
  await data.close()
})

t.test('youtube_ranking learns from it; saved and loaded, raw rows mean the same', async t => {
  const path = write(t)
  const data = await openCsv(path, OPTIONS)
  const batch = await all(data.train)
  const model = new YouTubeRanking({ ...data.schema.inputs, embeddingDim: 4, hidden: [16], seed: 2 })
  const loss = async (): Promise<number> => {
    const odds = await model.predict(batch)
    const each = odds.map((o, b) => batch.weights![b]! * (Math.log1p(o) - batch.labels![b]! * Math.log(o)))
    return each.reduce((sum, x) => sum + x, 0)
  }
  const before = await loss()
  await model.fit(data, { batchSize: 32, epochs: 20, optimizer: new Adam({ lr: 0.01 }), seed: 1 })
  const after = await loss()
  t.ok(after < 0.8 * before, `${before} -> ${after}`)
  const expected = await model.predict(batch)
  t.ok(expected.every(x => Number.isFinite(x) && x > 0))
  const file = join(t.testdirName, 'm.safetensors')
  await model.save(file)
  const loaded = await loadModel(file)
  t.same(loaded.schema, data.schema)
  t.same(await loaded.predictRows(raw), expected)
  t.same(await loaded.predictRows([raw[7]!]), expected.slice(7, 8))
  await data.close()
})

t.test('Criteo', async t => {
  const path = join(t.testdir(), 'train.txt')
  writeCriteo(path, { rows: 400, seed: 3 })
  const data = await openCriteo(path, { hashSize: 50, transform: 'quantile', validFraction: 0 })
  const plain = await openCriteo(path, { hashSize: 50, transform: 'identity', validFraction: 0 })
  const { dense, size } = await all(data.train)
  const { dense: numbers } = await all(plain.train)
  t.equal(size, 300, 'the first batch')
  t.equal(data.schema.dense.length, 13)
  t.same(
    [...dense!],
    Array.from(numbers!, (x, i) => byHand(data.schema.dense[i % 13]!.boundaries!, x)),
  )
  t.ok(new Set(dense).size > 50)
  t.equal(criteoColumns[1], data.schema.dense[0]!.name)
  await data.close()
  await plain.close()
})

t.test('what makes no sense is refused', async t => {
  const path = write(t)
  const schema = new Schema({ label: 'y', dense: [{ name: 'age', transform: 'identity' }] })
  const beside: Partial<CsvOptions>[] = [{ transform: 'quantile' }, { columns: { age: { transform: 'quantile' } } }]
  const message = /transform quantile: not with a schema, which has its own/
  for (const options of beside) {
    await t.rejects(openCsv(path, { label: 'y', schema, ...options }), { code: 'ERR_ARGUMENT', message })
  }
  await t.rejects(openCriteo(path, { schema, transform: 'quantile' }), { code: 'ERR_ARGUMENT', message })
  await t.rejects(openCriteo(path, { hashSize: 9, transform: 'cdf' as never }), {
    code: 'ERR_ARGUMENT',
    message: /I1: expected transform identity, log1p or quantile, received "cdf"/,
  })
  const dense = (column: object) => ({ label: 'y', dense: [{ name: 'age', ...column }] }) as unknown as SchemaJson
  const wrong: [object, RegExp][] = [
    [{ transform: 'log1p', boundaries: [0, 1] }, /age: boundaries: only with transform quantile, received log1p/],
    [{ transform: 'quantile' }, /age: boundaries: expected two or more finite numbers, .* received undefined/],
    [{ transform: 'quantile', boundaries: [1] }, /age: boundaries: expected two or more/],
    [{ transform: 'quantile', boundaries: [1, 0] }, /none below the one before/],
    [{ transform: 'quantile', boundaries: [1, Number.NaN] }, /age: boundaries/],
  ]
  for (const [column, expected] of wrong) {
    t.throws(() => new Schema(dense(column)), { code: 'ERR_ARGUMENT', message: expected })
  }
  writeFileSync(path, 'y,age\n')
  await t.rejects(openCsv(path, { label: 'y', dense: ['age'], transform: 'quantile' }), {
    code: 'ERR_DATA',
    message: /has no rows/,
  })
})

t.test('on the command line', async t => {
  const path = write(t)
  const file = join(t.testdirName, 'm.safetensors')
  const trained = await runCli([
    'train',
    `--data=${path}`,
    '--label=y',
    '--weight-column=seconds',
    '--dense-columns=age,price,gap',
    '--transform=quantile',
    '--model=youtube_ranking',
    '--hidden=8',
    '--embedding-dim=4',
    `--save-model=${file}`,
  ])
  t.equal(trained.code, 0, trained.err)
  const model = await loadModel(file)
  t.same(
    model.schema!.dense.map(({ transform, boundaries }) => [transform, boundaries!.length]),
    DENSE.map(() => ['quantile', 257]),
  )
  const predicted = await runCli(['predict', `--load-model=${file}`, path, '--json'])
  t.equal(predicted.code, 0, predicted.err)
  const expected = await model.predictRows(raw)
  t.same(
    objects(predicted.out).map(row => Math.fround(Object.values(row)[0] as number)),
    [...expected],
  )
  t.match((await runCli(['info', file])).out, /dense +age price gap: quantile/)
  const loaded = await runCli(['train', `--load-model=${file}`, `--data=${path}`, '--transform=quantile'])
  t.not(loaded.code, 0)
  t.match(loaded.err, /transform quantile: not with a schema/)
})
