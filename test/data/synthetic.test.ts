import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { criteoRow, openCriteo } from '../../lib/data/criteo.js'
import { Prng } from '../../lib/data/prng.js'
import type { BatchOptions, DataSource, Located } from '../../lib/data/source.js'
import { type ZipfOptions, zipfData } from '../../lib/data/synthetic.js'
import { expectedAuc, teacherAuc } from '../../lib/data/teacher.js'
import { writeCriteo } from '../../lib/data/write_criteo.js'
import { Zipf } from '../../lib/data/zipf.js'

async function all(source: DataSource, options: BatchOptions): Promise<Located[]> {
  const out: Located[] = []
  for await (const each of source.batches(options)) out.push(each)
  return out
}

t.test('the generator: streams differ, permutations are permutations', async t => {
  const draw = (...keys: number[]) => {
    const random = new Prng(...keys)
    return Array.from({ length: 4 }, () => random.next())
  }
  t.strictSame(draw(1, 2), draw(1, 2))
  const streams = [draw(), draw(0), draw(1), draw(0, 1), draw(1, 0), draw(2 ** 32), draw(2 ** 32 + 1)]
  t.equal(new Set(streams.map(String)).size, streams.length)
  const random = new Prng(5)
  const permutation = random.permutation(1000)
  t.strictSame(
    [...permutation].sort((a, b) => a - b),
    Array.from({ length: 1000 }, (_, i) => i),
  )
  t.strictSame([...random.permutation(0)], [])
  const counts = new Array<number>(6).fill(0)
  for (let i = 0; i < 6000; i++) counts['012 021 102 120 201 210'.split(' ').indexOf(random.permutation(3).join(''))]!++
  t.ok(
    counts.every(n => Math.abs(n - 1000) < 120),
    `all orders alike: ${counts}`,
  )
  const normals = Array.from({ length: 20_000 }, () => random.normal())
  const mean = normals.reduce((sum, x) => sum + x, 0) / normals.length
  const variance = normals.reduce((sum, x) => sum + x * x, 0) / normals.length
  t.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05)
})

t.test('Zipf frequencies, by table and by rejection', async t => {
  for (const [n, exponent] of [
    [50, 1.05],
    [50, 0],
    [1 << 17, 0],
    [1 << 17, 0.7],
    [1 << 17, 1],
    [1 << 20, 1.3],
  ] as const) {
    const zipf = new Zipf(n, exponent)
    const random = new Prng(7)
    const draws = 40_000
    const bins = [0, 1, 2, 10, 1000, n].filter(x => x <= n)
    const counts = new Array<number>(bins.length).fill(0)
    for (let i = 0; i < draws; i++) {
      const k = zipf.draw(random)
      if (!(k >= 0 && k < n)) t.fail(`${k} is out of range`)
      counts[bins.findIndex(bin => k < bin)]!++
    }
    let [sum, at] = [0, 0]
    const cumulative = bins.map(bin => {
      for (; at < bin; at++) sum += (at + 1) ** -exponent
      return sum
    })
    bins.forEach((bin, i) => {
      if (i === 0) return
      const expected = ((cumulative[i]! - cumulative[i - 1]!) / sum) * draws
      t.ok(Math.abs(counts[i]! - expected) < 5 * Math.sqrt(expected) + 1, `n ${n}, exponent ${exponent}: below ${bin}`)
    })
  }
  t.equal(new Zipf(1, 1).draw(new Prng(1)), 0)
})

t.test('AUC of a teacher', async t => {
  t.equal(teacherAuc([0.1, 0.2, 0.7, 0.9], [0, 0, 1, 1]), 1)
  t.equal(teacherAuc([0.9, 0.1, 0.8, 0.2], [0, 1, 0, 1]), 0)
  t.equal(teacherAuc([0.5, 0.5, 0.5], [0, 1, 1]), 0.5, 'ties count half')
  t.equal(teacherAuc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 0.75)
  t.equal(expectedAuc([0.3, 0.3]), 0.5)
  // One example of .2 and one of .6: pairs of a positive and a negative, weighted by their probability.
  t.ok(Math.abs(expectedAuc([0.2, 0.6]) - (0.6 * 0.8 + (0.2 * 0.8 + 0.6 * 0.4) / 2) / (0.8 * 1.2)) < 1e-12)
})

const options: ZipfOptions = { tables: [100, 30, 7, 1_000_000], dense: 3, rows: 20_000, indicesPerLookup: [1, 3, 1, 1] }

t.test('Zipf data with a planted teacher', async t => {
  const data = zipfData({ ...options, auc: 0.8, clickRate: 0.3, seed: 4 })
  t.strictSame(data.schema.tableSizes, options.tables)
  t.equal(data.train.size, 20_000)
  t.equal(data.valid.size, 2000)
  const batches = await all(data.train, { batchSize: 3000 })
  t.strictSame(
    batches.map(({ batch }) => batch.size),
    [3000, 3000, 3000, 3000, 3000, 3000, 2000],
  )
  let clicks = 0
  const p: number[] = []
  const labels: number[] = []
  for (const { batch } of batches) {
    batch.tables.forEach(({ offsets, indices }, table) => {
      t.equal(Number(offsets[batch.size]), batch.size * (table === 1 ? 3 : 1))
      t.ok(indices.length === Number(offsets[batch.size]) && indices.every(i => i >= 0 && i < options.tables[table]!))
    })
    for (let b = 0; b < batch.size; b++) {
      clicks += batch.labels![b]!
      const bags = batch.tables.map(({ offsets, indices }) =>
        [...indices.slice(Number(offsets[b]), Number(offsets[b + 1]))].map(Number),
      )
      const indices = Int32Array.from(bags.flat())
      const offsets = Int32Array.of(0, 1, 4, 5, 6)
      p.push(data.teacher.probability({ dense: batch.dense!.subarray(3 * b, 3 * b + 3), indices, offsets }))
      labels.push(batch.labels![b]!)
    }
  }
  t.ok(Math.abs(clicks / 20_000 - 0.3) < 0.02, `click rate ${clicks / 20_000}`)
  t.equal(data.ceiling('train'), teacherAuc(p, labels), 'the ceiling is the AUC of the true probabilities')
  t.ok(Math.abs(data.ceiling('train') - 0.8) < 0.02, `AUC ${data.ceiling('train')}`)
  t.ok(Math.abs(data.ceiling('test') - 0.8) < 0.04)
  t.not((await all(data.valid, { batchSize: 5 }))[0]!.batch.labels!.join(), labels.slice(0, 5).join(), 'other rows')
  t.strictSame(
    await all(zipfData({ ...options, auc: 0.8, clickRate: 0.3, seed: 4 }).train, { batchSize: 3000 }),
    batches,
  )
  await data.close()
})

t.test('Zipf data: shuffled and resumed', async t => {
  const { train } = zipfData({ tables: [10], dense: 1, rows: 10_000 })
  const order = (batches: Located[]) => batches.flatMap(({ batch }) => [...batch.dense!])
  const plain = await all(train, { batchSize: 700 })
  const shuffled = await all(train, { batchSize: 700, shuffle: true, seed: 1, epoch: 1 })
  t.not(order(shuffled).join(), order(plain).join())
  t.strictSame(order(shuffled).sort(), order(plain).sort())
  t.strictSame(order(await all(train, { batchSize: 33, shuffle: true, seed: 1, epoch: 1 })), order(shuffled))
  for (const k of [0, 5, shuffled.length - 1]) {
    const from = JSON.parse(JSON.stringify(shuffled[k]!.next))
    t.strictSame(await all(train, { batchSize: 700, shuffle: true, seed: 1, epoch: 1, from }), shuffled.slice(k + 1))
    await t.rejects(all(train, { batchSize: 700, from }), {
      code: 'ERR_ARGUMENT',
      message: /not a position of this pass/,
    })
  }
  await t.rejects(all(train, { batchSize: 0 }), { code: 'ERR_ARGUMENT' })
})

t.test('bad options', async t => {
  for (const [part, message] of [
    [{ tables: [] }, /tables/],
    [{ rows: 0 }, /rows/],
    [{ validRows: 0 }, /validRows/],
    [{ dense: -1 }, /dense/],
    [{ exponent: -1 }, /exponent/],
    [{ indicesPerLookup: 0 }, /indicesPerLookup/],
    [{ indicesPerLookup: [1] }, /indicesPerLookup/],
    [{ auc: 0.4 }, /auc/],
    [{ clickRate: 1 }, /clickRate/],
    [{ seed: -1 }, /seed/],
  ] as const) {
    t.throws(() => zipfData({ ...options, ...part }), { code: 'ERR_ARGUMENT', message }, JSON.stringify(part))
  }
  const path = join(t.testdir({}), 'x.txt')
  for (const part of [{ rows: 1 }, { seed: -1 }, { validFraction: 0 }, { auc: 1 }, { clickRate: 0 }]) {
    t.throws(() => writeCriteo(path, { rows: 100, ...part }), { code: 'ERR_ARGUMENT' }, JSON.stringify(part))
  }
  t.throws(() => writeCriteo('', { rows: 100 }), { code: 'ERR_ARGUMENT' })
  t.throws(() => writeCriteo(join(path, 'y'), { rows: 100 }), { code: 'ERR_IO' })
  t.notOk(existsSync(path))
})

t.test('a Criteo file with a planted teacher', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'train.txt')
  writeFileSync(path, 'an older file')
  const written = writeCriteo(path, { rows: 20_000, seed: 3, validFraction: 0.5, auc: 0.8, clickRate: 0.2 })
  t.strictSame(readdirSync(folder), ['train.txt'], 'no temporary file is left')
  const text = readFileSync(path, 'utf8')
  t.equal(written.bytes, text.length)
  const rows = text.trimEnd().split('\n').map(criteoRow)
  t.equal(rows.length, 20_000)
  const share = (test: (row: Record<string, string>) => boolean) => rows.filter(test).length / rows.length
  t.equal(
    share(row => row.label === '1'),
    written.clickRate,
  )
  t.ok(Math.abs(written.clickRate - 0.2) < 0.02)
  t.ok(Math.abs(written.teacherAuc - 0.8) < 0.02, `teacher's AUC ${written.teacherAuc}`)
  t.ok(Math.abs(share(row => row.I1 === '') - 0.44) < 0.02 && Math.abs(share(row => row.C19 === '') - 0.44) < 0.02)
  t.ok(share(row => row.I2 === '-1') > 0.02, 'some negative numbers')
  t.ok(rows.every(row => /^\d*$/.test(row.I7!) && /^([0-9a-f]{8})?$/.test(row.C3!)))
  const frequent = new Map<string, number>()
  for (const row of rows) frequent.set(row.C4!, (frequent.get(row.C4!) ?? 0) + 1)
  t.ok(Math.max(...frequent.values()) > 0.15 * rows.length && frequent.size > 100, 'uneven categories')
  const again = join(folder, 'again.txt')
  writeCriteo(again, { rows: 20_000, seed: 3, validFraction: 0.5, auc: 0.8, clickRate: 0.2 })
  t.ok(readFileSync(again, 'utf8') === text, 'the same options, the same file')

  const data = await openCriteo(path, { hashSize: 1000, validFraction: 0.5, onBadLine: 'error' })
  const auc = await naiveAuc(data.train, data.valid!)
  t.ok(auc > 0.62 && auc < written.teacherAuc, `a sum of log odds reaches ${auc}`)
  await data.close()
})

/** AUC on `valid` of naive Bayes over the categories of `train`: what can be learnt without interactions. */
async function naiveAuc(train: DataSource, valid: DataSource): Promise<number> {
  const odds = Array.from({ length: 26 }, () => ({
    clicks: new Float64Array(1000).fill(2),
    rest: new Float64Array(1000).fill(8),
  }))
  for await (const { batch } of train.batches({ batchSize: 1000 })) {
    batch.tables.forEach(({ indices }, table) => {
      for (let b = 0; b < batch.size; b++)
        odds[table]![batch.labels![b] === 1 ? 'clicks' : 'rest'][Number(indices[b])]!++
    })
  }
  const scores: number[] = []
  const labels: number[] = []
  for await (const { batch } of valid.batches({ batchSize: 1000 })) {
    for (let b = 0; b < batch.size; b++) {
      const each = batch.tables.map(({ indices }, table) => {
        const i = Number(indices[b])
        return Math.log(odds[table]!.clicks[i]! / odds[table]!.rest[i]!)
      })
      scores.push(each.reduce((sum, x) => sum + x, 0))
      labels.push(batch.labels![b]!)
    }
  }
  return teacherAuc(scores, labels)
}
