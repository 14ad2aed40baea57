// Columns that share tables, of mixed widths and modes: against PyTorch 2.13 (test/golden/make_tables.py), and their errors.
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { GraphBuilder } from '../../lib/graph/builder.js'
import * as ops from '../../lib/graph/ops.js'
import { defineModel } from '../../lib/models/define.js'
import { native } from '../../lib/native.js'
import { optimizerFromJSON } from '../../lib/optim/from_json.js'
import type { OptimizerJSON } from '../../lib/optim/optimizer.js'
import { Generator } from '../support/generator.js'

interface Golden {
  steps: number
  batchSize: number
  bags: number[]
  columns: number[]
  tables: number[]
  widths: number[]
  shapes: { [name: string]: number[] }
  cases: {
    name: string
    seed: number
    optimizer: OptimizerJSON
    modes: ops.Pooling[]
    weights: boolean
    expected: { losses: number[]; final: { [name: string]: string } }
  }[]
}

const golden: Golden = JSON.parse(readFileSync(new URL('../golden/tables.json', import.meta.url), 'utf8'))

function modelOf(modes: ops.Pooling[]) {
  return defineModel({
    kind: 'tables',
    about: 'what make_tables.py describes',
    options: {},
    graph: g => {
      const columns = golden.columns.map(c => g.columns[c]!)
      const e = ops.embeddingBag(g, 'e', { columns, tables: golden.tables, width: golden.widths, mode: modes })
      const w = ops.linearBag(g, 'w', { columns, tables: golden.tables })
      const logits = ops.mlp(g, 'top', ops.concat(g, 'z', [e, w]), { layers: [1], last: 'none' })
      return { loss: ops.bceLoss(g, 'loss', logits, g.labels), prediction: ops.sigmoid(g, 'p', logits) }
    },
  })
}

function batchesOf(seed: number, weighted: boolean): Batch[] {
  const g = new Generator(seed + 1)
  return Array.from({ length: golden.steps }, () => {
    const tables = golden.bags.map(rows => {
      const offsets = new Int32Array(golden.batchSize + 1)
      g.below(golden.batchSize, 5).forEach((n, b) => {
        offsets[b + 1] = offsets[b]! + n
      })
      const indices = Int32Array.from(g.unit(offsets.at(-1)!), u => Math.floor(u * u * rows))
      return weighted ? { offsets, indices, weights: g.symmetric(indices.length, 2) } : { offsets, indices }
    })
    return { size: golden.batchSize, tables, labels: g.unit(golden.batchSize).map(u => Number(u < Math.fround(0.4))) }
  })
}

function initialState(seed: number) {
  const g = new Generator(seed)
  const entries = Object.entries(golden.shapes).map(([name, shape]) => {
    return [
      name,
      {
        shape,
        data: g.symmetric(
          shape.reduce((a, b) => a * b),
          0.5,
        ),
      },
    ] as const
  })
  return new Map(entries)
}

function unpack(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

for (const isa of native.isas()) {
  t.test(`12 runs of PyTorch 2.13, 5 steps each, on ${isa}`, async t => {
    for (const { name, seed, optimizer, modes, weights, expected } of golden.cases) {
      const model = new (modelOf(modes))({ tables: golden.bags, isa })
      model.loadState(initialState(seed))
      await model.compile({ optimizer: optimizerFromJSON(optimizer), maxBatch: golden.batchSize })
      for (const [i, batch] of batchesOf(seed, weights).entries()) {
        const off = Math.abs((await model.step(batch)) - expected.losses[i]!)
        t.ok(off < 1e-5, `${name}: loss ${i} is ${off} off`)
      }
      const state = model.state()
      for (const [param, packed] of Object.entries(expected.final)) {
        const want = unpack(packed)
        const got = state.get(param)!.data
        const largest = want.reduce((a, x) => Math.max(a, Math.abs(x)), 0)
        const off = want.reduce((worst, x, k) => Math.max(worst, Math.abs(got[k]! - x)), 0) / largest
        t.ok(off < 1e-5, `${name}: ${param} is ${off} off`)
      }
    }
  })
}

t.test('a shared table has as many rows as its longest column', async t => {
  const g = new GraphBuilder({ dense: 0, tables: [5, 9, 7] })
  ops.embeddingBag(g, 'e', { width: 4, tables: [0, 1, 0] })
  ops.linearBag(g, 'w', { columns: [g.columns[2]!], mode: ['mean'], bias: false, init: { kind: 'normal', scale: 0.1 } })
  const spec = g.build({ loss: { name: 'e' }, prediction: { name: 'w' } })
  t.same(spec.nodes[0]!.attrs.rows, [7, 9])
  t.match(spec.nodes[1]!.attrs, {
    rows: [7],
    columns: [2],
    modes: ['mean'],
    bias: false,
    init: 'normal',
    init_scale: 0.1,
  })
})

t.test('columns and tables that do not fit are refused', async t => {
  const g = new GraphBuilder({ dense: 0, tables: [5, 9] })
  const width = 2
  t.throws(() => ops.embeddingBag(g, 'a', { width, columns: [] }), { code: 'ERR_ARGUMENT', message: /at least one/ })
  t.throws(() => ops.embeddingBag(g, 'a', { width, tables: [0] }), {
    code: 'ERR_SHAPE',
    message: /each of the 2 columns/,
  })
  t.throws(() => ops.linearBag(g, 'a', { tables: [0, 5e9] }), { code: 'ERR_ARGUMENT', message: /without gaps/ })
  const build = (add: (g: GraphBuilder) => void) => {
    const Model = defineModel({
      kind: 'bad',
      about: 'refused',
      options: {},
      graph: g => {
        add(g)
        const p = ops.linearBag(g, 'w')
        return { loss: ops.mseLoss(g, 'loss', p, g.labels), prediction: p }
      },
    })
    return () => new Model({ tables: [5, 9] })
  }
  const gap = build(g => ops.embeddingBag(g, 'e', { width, tables: [1, 1] }))
  t.throws(gap, { code: 'ERR_ARGUMENT', message: /expected 1 to 2147483647, received 0 for table 0/ })
  const small = build(g => g.add('embedding_bag', 'e', [g.tables], { rows: [5, 8], width }))
  t.throws(small, { code: 'ERR_SHAPE', message: /column 1 has 9 rows, the node's table for it 8/ })
  const twice = build(g => ops.embeddingBag(g, 'e', { width, columns: [g.columns[1]!, g.columns[1]!] }))
  t.throws(twice, { code: 'ERR_ARGUMENT', message: /1 is there twice/ })
})
