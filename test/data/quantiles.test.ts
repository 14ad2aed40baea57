import t from 'tap'
import { quantiles } from '../../lib/data/quantiles.js'
import type { DataSource } from '../../lib/data/source.js'
import { Generator } from '../support/generator.js'

/** Columns of numbers as a source; counts the batches that were taken. */
function sourceOf(...columns: number[][]): DataSource & { taken: number } {
  const source = {
    name: 'numbers',
    taken: 0,
    async *batches({ batchSize, shuffle = false }: { batchSize: number; shuffle?: boolean }) {
      t.notOk(shuffle)
      const rows = columns[0]?.length ?? 0
      for (let at = 0; at < rows; at += batchSize) {
        source.taken++
        const size = Math.min(batchSize, rows - at)
        const dense = Float32Array.from({ length: size * columns.length }, (_, i) => {
          return columns[i % columns.length]![at + Math.floor(i / columns.length)]!
        })
        yield { batch: { size, dense, tables: [] }, next: {} }
      }
    },
  }
  return source
}

const bucketOf = (x: number, boundaries: number[]): number => boundaries.filter(b => b <= x).length

t.test('buckets of equal size', async t => {
  const random = new Generator(3)
  const columns = [0, 1].map(d => Array.from(random.unit(10_000), x => (d === 0 ? x : x ** 3 - 5)))
  const found = await quantiles(sourceOf(...columns), 8)
  for (const [d, boundaries] of found.entries()) {
    t.equal(boundaries.length, 7)
    const counts = new Array<number>(8).fill(0)
    for (const x of columns[d]!) counts[bucketOf(Math.fround(x), boundaries)]!++
    t.ok(
      counts.every(n => Math.abs(n - 1250) < 20),
      counts.join(),
    )
  }
  t.same(await quantiles(sourceOf(...columns), 8), found, 'again the same')
})

t.test('few different values', async t => {
  t.same(await quantiles(sourceOf([0, 0, 0, 0, 0, 0, 1, 2]), 4), [[1]])
  t.same(await quantiles(sourceOf([3, 1, 2, 4]), 4), [[2, 3, 4]])
  t.same(await quantiles(sourceOf([3, 1, 2]), 10), [[2, 3]], 'each value a bucket')
  t.same(await quantiles(sourceOf([7, 7]), 10), [[]], 'a constant has one bucket')
})

t.test('reads no more than it is told', async t => {
  const numbers = Array.from({ length: 20_000 }, (_, i) => i)
  const source = sourceOf(numbers)
  t.same(await quantiles(source, 2, { rows: 5000 }), [[2500]])
  t.equal(source.taken, 2)
  t.same(await quantiles(sourceOf(numbers), 2, { rows: 3 }), [[2]])
})

t.test('bad arguments', async t => {
  await t.rejects(quantiles(sourceOf([1]), 1), { code: 'ERR_ARGUMENT', message: /quantiles: n/ })
  await t.rejects(quantiles(sourceOf([1]), 4, { rows: 0 }), { code: 'ERR_ARGUMENT', message: /rows/ })
  await t.rejects(quantiles(sourceOf([]), 4), { code: 'ERR_DATA', message: /numbers has no examples/ })
})
