import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { RandomState } from '../../lib/data/numpy_random.js'
import { type RandomOptions, randomData } from '../../lib/data/random.js'
import type { DataSource, Located } from '../../lib/data/source.js'
import {
  generateTrace,
  profileTrace,
  readProfile,
  type TraceProfile,
  traceData,
  writeProfile,
} from '../../lib/data/trace.js'

const golden = JSON.parse(readFileSync(new URL('../golden/numpy.json', import.meta.url), 'utf8'))

interface Golden {
  options: Record<string, never> & { batchSize: number; padding?: boolean; dist?: string; mu?: number }
  batches: { dense: number[]; labels: number[]; tables: { offsets: number[]; indices: number[] }[] }[]
}

async function all(source: DataSource, batchSize: number, from?: Located['next']): Promise<Located[]> {
  const out: Located[] = []
  for await (const each of source.batches(from === undefined ? { batchSize } : { batchSize, from })) out.push(each)
  return out
}

function optionsOf({ options: o }: Golden): RandomOptions {
  return {
    dense: o.dense!,
    tables: o.tables!,
    dataSize: o.dataSize!,
    numBatches: o.numBatches!,
    numIndicesPerLookup: o.lookups!,
    numIndicesPerLookupFixed: o.fixed!,
    roundTargets: o.round!,
    seed: o.seed!,
    ...(o.dist === 'gaussian' ? { distribution: 'gaussian', min: o.min!, max: o.max!, sigma: o.sigma! } : {}),
    ...(o.mu === undefined || o.mu === -1 ? {} : { mu: o.mu }),
  }
}

/** As the reference prints a batch: offsets without the closing one. */
function plain(batch: Batch): Golden['batches'][0] {
  return {
    dense: [...batch.dense!],
    labels: [...batch.labels!],
    tables: batch.tables.map(({ offsets, indices }) => ({
      offsets: Array.from(offsets.subarray(0, -1), Number),
      indices: Array.from(indices, Number),
    })),
  }
}

t.test("the reference's random batches", async t => {
  for (const each of golden.random as Golden[]) {
    const data = randomData(optionsOf(each))
    const got = await all(data.train, each.options.batchSize)
    t.strictSame(
      got.map(({ batch }) => plain(batch)),
      each.batches,
      JSON.stringify(each.options),
    )
    t.equal(data.train.size, each.options.numBatches! > 0 ? undefined : each.options.dataSize)
    t.strictSame(data.schema.tableSizes, each.options.tables)
    for (const { batch } of got) {
      t.ok(batch.tables.every(({ offsets, indices }) => offsets[batch.size] === indices.length))
    }
  }
})

t.test('every epoch is the same; a pass can be resumed anywhere', async t => {
  const data = randomData({ tables: [50, 3], dense: 3, dataSize: 23, seed: 5 })
  const first = await all(data.train, 4)
  t.equal(first.length, 6)
  t.strictSame(await all(data.test!, 4), first)
  const gaussian = randomData({ tables: [50, 3], dense: 3, dataSize: 23, seed: 5, distribution: 'gaussian', sigma: 9 })
  for (const source of [data.train, gaussian.train]) {
    const whole = await all(source, 4)
    for (let k = 0; k < whole.length; k++) {
      t.strictSame(await all(source, 4, JSON.parse(JSON.stringify(whole[k]!.next))), whole.slice(k + 1))
    }
    await t.rejects(all(source, 5, whole[0]!.next), { code: 'ERR_ARGUMENT' })
  }
  await data.close()
})

t.test('gaussian indices stay in their table, where the reference has one range for all', async t => {
  const data = randomData({
    tables: [5, 1000],
    dense: 0,
    dataSize: 200,
    distribution: 'gaussian',
    max: 400,
    sigma: 300,
  })
  const [one] = await all(data.train, 200)
  const [small, large] = one!.batch.tables
  t.equal(Math.max(...Array.from(small!.indices, Number)), 4)
  t.equal(Math.max(...Array.from(large!.indices, Number)), 400)
})

t.test("the reference's trace profiles and traces", async t => {
  const folder = t.testdir({})
  for (const { trace, profile, padding, seed, generated } of golden.traces) {
    const ours = profileTrace(trace)
    t.strictSame({ ...ours }, profile)
    t.strictSame([...generateTrace(ours, new RandomState(seed), generated.length, padding)], generated)
    const path = join(folder, 'dist.log')
    writeProfile(path, ours)
    t.strictSame(readProfile(path), ours, 'written and read again')
  }
  t.equal(readFileSync(join(folder, 'dist.log'), 'utf8').split('\n').length, 4)
  const { profile, cases } = golden.synthetic
  for (const each of cases as Golden[]) {
    const data = traceData({ ...optionsOf(each), profile, padding: each.options.padding ?? false })
    const got = await all(data.train, each.options.batchSize)
    t.strictSame(
      got.map(({ batch }) => plain(batch)),
      each.batches,
    )
  }
})

t.test('bad options', async t => {
  const good: RandomOptions = { tables: [4], dense: 1 }
  const bad: [Partial<Record<keyof RandomOptions, unknown>>, RegExp][] = [
    [{ tables: [] }, /tables/],
    [{ tables: 4 }, /tables/],
    [{ tables: [0] }, /tables\[0\]/],
    [{ dense: -1 }, /dense/],
    [{ dataSize: 0 }, /dataSize/],
    [{ numBatches: 1.5 }, /numBatches/],
    [{ numIndicesPerLookup: 0 }, /numIndicesPerLookup/],
    [{ seed: 2 ** 32 }, /seed/],
    [{ distribution: 'zipf' }, /distribution/],
    [{ distribution: 'gaussian', min: 3, max: 2 }, /max/],
    [{ distribution: 'gaussian', sigma: -1 }, /sigma/],
  ]
  for (const [part, message] of bad) {
    t.throws(() => randomData({ ...good, ...part } as RandomOptions), { code: 'ERR_ARGUMENT', message })
  }
  await t.rejects(all(randomData(good).train, 0), { code: 'ERR_ARGUMENT', message: /batchSize/ })
})

t.test('bad profiles', async t => {
  const good: TraceProfile = { lines: [1, 2], distances: [0, 1], cumulative: [0.5, 1] }
  const bad: Partial<Record<keyof TraceProfile, unknown>>[] = [
    { lines: [] },
    { lines: [-1, 2] },
    { distances: [0] },
    { distances: [1, 2] },
    { distances: [0, 0] },
    { distances: [0, 3] },
    { cumulative: [0.5, 0.9] },
    { cumulative: [1, 0.5] },
    { cumulative: [0, 1] },
  ]
  for (const part of bad) {
    const profile = { ...good, ...part } as TraceProfile
    t.throws(() => traceData({ tables: [4], dense: 0, profile }), { code: 'ERR_ARGUMENT', message: /profile/ })
  }
  t.throws(() => traceData({ tables: [4, 4], dense: 0, profile: [good] }), {
    code: 'ERR_ARGUMENT',
    message: /one per table/,
  })
  t.throws(() => profileTrace([]), { code: 'ERR_FORMAT' })
  const folder = mkdtempSync(join(t.testdir({}), 'x'))
  const path = join(folder, 'profile')
  t.throws(() => readProfile(path), { code: 'ERR_IO' })
  t.throws(() => writeProfile(join(path, 'x'), good), { code: 'ERR_IO' })
  for (const text of ['', '1, 2\n0, 1\n', '1, 2\n0, x\n0.5, 1.0\n', '1, 2\n0, 1\n0.5\n']) {
    writeFileSync(path, text)
    t.throws(() => readProfile(path), { code: 'ERR_FORMAT' }, JSON.stringify(text))
  }
})
