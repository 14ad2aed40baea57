// Models of cross, cross_v2 and cin against PyTorch 2.13 (test/golden/make_cross.py); the kernels by hand.
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import type { GraphBuilder, Value } from '../../lib/graph/builder.js'
import * as ops from '../../lib/graph/ops.js'
import * as kernels from '../../lib/kernels.js'
import { defineModel } from '../../lib/models/define.js'
import type { Tensor } from '../../lib/models/model.js'
import { native } from '../../lib/native.js'
import { Adagrad } from '../../lib/optim/adagrad.js'
import { Generator } from '../support/generator.js'

interface Case {
  op: 'cross' | 'cross_v2' | 'cin'
  width: number
  options: Record<string, unknown>
  seed: number
  shapes: { [name: string]: number[] }
  expected: { losses: number[]; final: { [name: string]: string } }
}

interface Golden {
  batchSize: number
  steps: number
  lr: number
  rows: number[]
  cases: Case[]
}

const golden: Golden = JSON.parse(readFileSync(new URL('../golden/cross.json', import.meta.url), 'utf8'))

function node(g: GraphBuilder, x: Value, { op, options, width }: Case): Value {
  if (op === 'cross') return ops.cross(g, 'op', x, options)
  if (op === 'cross_v2') return ops.crossV2(g, 'op', x, options)
  return ops.cin(g, 'op', x, { ...(options as { layers: number[] }), width })
}

const modelOf = (c: Case) =>
  defineModel({
    kind: 'crossing',
    about: 'what make_cross.py describes',
    options: {},
    graph: g => {
      const y = node(g, ops.embeddingBag(g, 'e', { width: c.width }), c)
      const logits = ops.mlp(g, 'deep', y, { layers: [1], last: 'none' })
      return { loss: ops.bceLoss(g, 'loss', logits, g.labels), prediction: ops.sigmoid(g, 'p', logits) }
    },
  })

function batchesOf(seed: number): Batch[] {
  const { batchSize: size, rows, steps } = golden
  const g = new Generator(seed + 1)
  return Array.from({ length: steps }, () => {
    const tables = rows.map(bound => {
      const offsets = Int32Array.from({ length: size + 1 }, (_, b) => b)
      return { offsets, indices: Int32Array.from(g.below(size, bound)) }
    })
    return { size, dense: new Float32Array(0), tables, labels: g.unit(size).map(u => Number(u < Math.fround(0.4))) }
  })
}

function initialState(seed: number, shapes: { [name: string]: number[] }): Map<string, Tensor> {
  const g = new Generator(seed)
  const sizeOf = (shape: number[]) => shape.reduce((a, b) => a * b)
  return new Map(
    Object.entries(shapes).map(([name, shape]) => [name, { shape, data: g.symmetric(sizeOf(shape), 0.5) }]),
  )
}

function unpack(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

for (const isa of native.isas()) {
  t.test(`${golden.cases.length} runs of PyTorch 2.13, on ${isa}`, async t => {
    for (const c of golden.cases) {
      const name = `${c.op} ${JSON.stringify(c.options)}, width ${c.width}`
      const model = new (modelOf(c))({ dense: 0, tables: golden.rows, isa })
      model.loadState(initialState(c.seed, c.shapes))
      await model.compile({ optimizer: new Adagrad({ lr: golden.lr }), maxBatch: golden.batchSize })
      for (const [i, batch] of batchesOf(c.seed).entries()) {
        const off = Math.abs((await model.step(batch)) - c.expected.losses[i]!)
        t.ok(off < 1e-5, `${name}: loss ${i} is ${off} off`)
      }
      const state = model.state()
      for (const [param, packed] of Object.entries(c.expected.final)) {
        const want = unpack(packed)
        const got = state.get(param)!.data
        const largest = want.reduce((a, x) => Math.max(a, Math.abs(x)), 0)
        const off = want.reduce((worst, x, k) => Math.max(worst, Math.abs(got[k]! - x)), 0) / largest
        t.ok(off < 2e-5, `${name}: ${param} is ${off} off`)
      }
    }
  })

  t.test(`the kernels by hand, on ${isa}`, async t => {
    const f = (...values: number[]) => Float32Array.from(values)
    const on = { isa }
    // x1 = (1,2) (1*3 - 2*1) + (10,20) + (1,2) = (12,24)
    const cross = { batch: 1, x: f(1, 2), layers: [{ weight: f(3, -1), bias: f(10, 20) }] }
    t.same(kernels.cross(cross, on).out, f(12, 24))
    const dcross = kernels.crossBackward({ ...cross, dout: f(1, 10) }, on)
    // g . x0 = 21: dx = g (1 + 1) + 21 w; dw = 21 x
    t.same(dcross.dx, f(65, -1))
    t.same(dcross.layers, [{ dweight: f(21, 42), dbias: f(1, 10) }])

    // z = (1*1 + 2*2 + 1, 1*3 + 2*4 - 1) = (6, 10); x1 = (1*6 + 1, 2*10 + 2)
    const full = { batch: 1, x: f(1, 2), layers: [{ weight: f(1, 2, 3, 4), bias: f(1, -1) }] }
    t.same(kernels.crossV2(full, on).out, f(7, 22))
    const dfull = kernels.crossV2Backward({ ...full, dout: f(1, 1) }, on)
    t.same(dfull.layers, [{ weight: f(1, 2, 2, 4), bias: f(1, 2) }])
    t.same(dfull.dx, f(6 + 1 + 7, 10 + 1 + 10))
    const low = { batch: 1, rank: 1, x: f(1, 2), layers: [{ u: f(1, 2), v: f(3, 4), bias: f(0, 0) }] }
    t.same(kernels.crossV2(low, on).out, f(12, 46))
    t.same(kernels.crossV2Backward({ ...low, dout: f(1, 0) }, on).layers, [{ u: f(11, 0), v: f(1, 2), bias: f(1, 0) }])
    const zero = f(0, 0)
    const mixed = { u: f(0, 0, 0, 0), v: f(0, 0, 0, 0), c: zero, gate: f(0, 0, 0, 0), bias: f(1, 1) }
    const mixture = { batch: 1, rank: 1, experts: 2, x: f(1, 2), layers: [mixed] }
    t.same(kernels.crossV2(mixture, on).out, f(2, 4), 'gates sum to one')

    // m = 2, E = 1, x = (2, 3): products 4, 6, 6, 9 with weights 1, 10, 100, 1000
    const cin = { batch: 1, width: 1, x: f(2, 3), maps: [1], layers: [{ weight: f(1, 10, 100, 1000), bias: f(5) }] }
    t.same(kernels.cin(cin, on).out, f(4 + 60 + 600 + 9000 + 5))
    const dcin = kernels.cinBackward({ ...cin, dout: f(1) }, on)
    t.same(dcin.layers, [{ dweight: f(4, 6, 6, 9), dbias: f(1) }])
    t.same(dcin.dx, f(4 + 330, 220 + 6000))
    t.same(kernels.cin({ ...cin, layers: [{ weight: f(1, 10, 100, -1000) }], activation: 'relu' }, on).out, f(0))
  })
}

t.test('what the kernels refuse', async t => {
  const f = (n: number) => new Float32Array(n)
  const layers = [{ weight: f(2), bias: f(2) }]
  const cin = { batch: 1, width: 1, x: f(2), maps: [3], layers: [{ weight: f(12) }] }
  const bad: [string, string, () => unknown][] = [
    ['ERR_SHAPE', 'layers[0].weight: expected N = 3', () => kernels.cross({ batch: 1, x: f(3), layers })],
    ['ERR_SHAPE', 'layers[0].weight: expected N x N = 2 x 2', () => kernels.crossV2({ batch: 1, x: f(2), layers })],
    ['ERR_ARGUMENT', 'layers[0].u', () => kernels.crossV2({ batch: 1, x: f(2), layers, rank: 1 })],
    ['ERR_SHAPE', 'maps: expected one number', () => kernels.cin({ ...cin, maps: [3, 3] })],
    ['ERR_SHAPE', 'layers[0].weight: expected H x I*m = 2 x 4', () => kernels.cin({ ...cin, maps: [2] })],
    ['ERR_SHAPE', 'dout: expected B x S = 1 x 3', () => kernels.cinBackward({ ...cin, dout: f(2) })],
  ]
  for (const [code, message, run] of bad)
    t.throws(run, { code, message: new RegExp(message.replace(/[[\]().*]/g, '\\$&')) })
})
