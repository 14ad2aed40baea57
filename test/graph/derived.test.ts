/** Columns that the graph derives from those of the batch, and weights of the examples, through a whole model. */
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { type Column, GraphBuilder } from '../../lib/graph/builder.js'
import { clicks, numbers } from '../../lib/graph/heads.js'
import * as ops from '../../lib/graph/ops.js'
import { defineModel } from '../../lib/models/define.js'
import { SGD } from '../../lib/optim/sgd.js'

/** `native/exec/derive.h`'s rule, written again. */
function crossRow(a: number, b: number, rows: number): number {
  let h = (BigInt(a) << 32n) | BigInt(b)
  for (const factor of [0xff51afd7ed558ccdn, 0xc4ceb9fe1a85ec53n]) h = BigInt.asUintN(64, (h ^ (h >> 33n)) * factor)
  h ^= h >> 33n
  return Number(((h >> 32n) * BigInt(rows)) >> 32n)
}

const DENSE = 2
const TABLES = [100, 9]

/**
 * A model of one weight per row of each column, with all that `derive` makes: a step changes the rows of the batch and no
 * others. Returns those of the last column.
 */
async function touchedRows(batch: Batch, derive: (g: GraphBuilder) => Column | Column[]): Promise<number[]> {
  let last = 0
  const Probe = defineModel({
    kind: 'probe',
    about: 'one weight per row',
    options: {},
    graph: g => {
      const columns = [...g.columns, derive(g)].flat()
      last = columns.length - 1
      const rows = columns.map(column => column.rows)
      const attrs = { rows, width: 1, mode: 'sum', row_weights: '' }
      const bag = g.add('embedding_bag', 'e', [g.tables], attrs)
      return numbers(g, ops.mlp(g, 'sum', bag, { layers: [1], last: 'none' }))
    },
  })
  const model = new Probe({ dense: DENSE, tables: TABLES })
  await model.compile({ optimizer: new SGD({ lr: 1 }), maxBatch: batch.size })
  const name = `e.${last}.weight`
  const before = model.state().get(name)!.data
  await model.step(batch)
  const after = model.state().get(name)!.data
  return [...after.keys()].filter(r => after[r] !== before[r])
}

const one: Batch = {
  size: 1,
  dense: Float32Array.of(0.5, -3),
  tables: [
    { offsets: Int32Array.of(0, 2), indices: Int32Array.of(97, 4) },
    { offsets: Int32Array.of(0, 1), indices: Int32Array.of(8) },
  ],
  labels: Float32Array.of(1),
}

t.test('each kind of derived column reaches the rows that its definition says', async t => {
  const ascending = (rows: number[]) => rows.sort((a, b) => a - b)
  t.same(await touchedRows(one, g => g.cross(g.columns[0]!, g.columns[1]!)), [4 * 9 + 8, 97 * 9 + 8])
  const hashed = [crossRow(4, 8, 500), crossRow(97, 8, 500)]
  t.same(await touchedRows(one, g => g.cross(g.columns[0]!, g.columns[1]!, 500)), ascending(hashed))
  t.same(await touchedRows(one, g => g.quotient(g.columns[0]!, 10)), [0, 9])
  t.same(await touchedRows(one, g => g.remainder(g.columns[0]!, 10)), [4, 7])
  t.same(await touchedRows(one, g => g.bucketize(1, [-3, 0, 2])), [1], 'a boundary belongs to the bucket above it')
  t.same(await touchedRows(one, g => g.bucketize(0, [-3, 0, 2])), [2])
  const threeWay = (g: GraphBuilder) => {
    const bucket = g.bucketize(0, [0])
    const pair = g.cross(bucket, g.columns[1]!)
    return [bucket, pair, g.cross(pair, g.columns[0]!)]
  }
  t.same(await touchedRows(one, threeWay), [(9 + 8) * 100 + 4, (9 + 8) * 100 + 97], 'a cross of a cross of a bucket')
})

t.test('boundaries are what float32 makes of them', async t => {
  const g = new GraphBuilder({ dense: 1, tables: [] })
  t.equal(g.bucketize(0, [0.1, 0.1 + 1e-12, 0.2]).rows, 3)
})

t.test('what cannot be derived is refused by name', async t => {
  const g = new GraphBuilder({ dense: 2, tables: [70000, 70000] })
  const [a, b] = g.columns as [Column, Column]
  const refused = (message: RegExp, derive: () => unknown) => t.throws(derive, { code: 'ERR_ARGUMENT', message })
  refused(/C1 x C2: rows.*2147483647.*4900000000/, () => g.cross(a, b))
  refused(/rows/, () => g.cross(a, b, 0.5))
  refused(/not of this graph/, () => g.cross(a, { ...b }, 10))
  refused(/feature/, () => g.bucketize(2, [0]))
  refused(/ascending/, () => g.bucketize(0, [1, 0]))
  refused(/ascending/, () => g.bucketize(0, [0, Number.NaN]))
  refused(/ascending/, () => g.bucketize(0, [0, 1e39]))
  refused(/divisor/, () => g.quotient(a, 0))
  refused(/divisor/, () => g.remainder(a, 1.5))
})

const Linear = defineModel({
  kind: 'linear',
  about: 'one layer',
  options: {},
  graph: g => clicks(g, ops.mlp(g, 'w', g.dense, { layers: [1], last: 'none' })),
})

t.test('an example of weight 3 counts as three of weight 1, and one of weight 0 not at all', async t => {
  const dense = Float32Array.of(1, 2, -1, 0.5, 3, 1, 2, 2)
  const labels = Float32Array.of(1, 0, 1, 0)
  const weighted = { size: 4, dense, tables: [], labels, weights: Float32Array.of(3, 1, 0, 1) }
  const rows = [0, 0, 0, 1, 3]
  const repeated = {
    size: 5,
    dense: Float32Array.from(rows.flatMap(r => [...dense.subarray(2 * r, 2 * r + 2)])),
    tables: [],
    labels: Float32Array.from(rows, r => labels[r]!),
  }
  const run = async (batch: Batch, lr: number) => {
    const model = new Linear({ dense: 2, tables: [] })
    await model.compile({ optimizer: new SGD({ lr }), maxBatch: 5 })
    const { loss, predictions } = await model.evaluate(batch)
    t.equal(await model.step(batch), loss)
    return { loss, predictions, weight: model.state().get('w.0.weight')!.data }
  }
  const [a, b] = [await run(weighted, 0.4), await run(repeated, 0.5)]
  t.ok(Math.abs(4 * a.loss - 5 * b.loss) < 1e-6, 'both are sums over B')
  for (const i of [0, 1]) t.ok(Math.abs(a.weight[i]! - b.weight[i]!) < 1e-6, 'gradients too')
  const { weights: _, ...unweighted } = weighted
  const c = await run(unweighted, 0.4)
  t.same(c.predictions, a.predictions, 'predictions know no weights')
  const d = await run({ ...weighted, weights: new Float32Array(4).fill(1) }, 0.4)
  t.same([d.loss, d.weight], [c.loss, c.weight], 'no weights are weights of 1')
})

t.test('weighted logistic regression: e^logit is the mean watch time (Covington et al. 2016, section 4.2)', async t => {
  // Of 50 impressions 10 were watched, for 7 minutes each: the odds learnt are 70 / 40.
  const size = 50
  const watched = (b: number) => b < 10
  const batch = {
    size,
    dense: new Float32Array(size).fill(1),
    tables: [],
    labels: Float32Array.from({ length: size }, (_, b) => Number(watched(b))),
    weights: Float32Array.from({ length: size }, (_, b) => (watched(b) ? 7 : 1)),
  }
  const model = new Linear({ dense: 1, tables: [] })
  await model.compile({ optimizer: new SGD({ lr: 0.5 }), maxBatch: size })
  for (let step = 0; step < 300; step++) await model.step(batch)
  const [p] = await model.predict({ size: 1, dense: Float32Array.of(1), tables: [] })
  t.ok(Math.abs(p! / (1 - p!) - 70 / 40) < 1e-4, String(p! / (1 - p!)))
})

t.test('wrong weights of examples are refused', async t => {
  const model = new Linear({ dense: 1, tables: [] })
  await model.compile({ optimizer: new SGD({ lr: 0.5 }), maxBatch: 2 })
  const step = (weights: unknown) =>
    model.step({ size: 2, dense: new Float32Array(2), tables: [], labels: new Float32Array(2), weights } as Batch)
  await t.rejects(step(new Float32Array(3)), { code: 'ERR_SHAPE', message: /weights: expected B = 2/ })
  await t.rejects(step(Float32Array.of(1, -2)), { code: 'ERR_VALUE', message: /weights.*-2 at position 1/ })
  await t.rejects(step(Float32Array.of(Number.NaN, 1)), { code: 'ERR_VALUE', message: /weights/ })
  await t.rejects(step([1, 2]), { code: 'ERR_ARGUMENT', message: /weights: expected a Float32Array/ })
})
