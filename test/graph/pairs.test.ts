// A model of all ops over fields and element by element: against PyTorch 2.13 (test/golden/make_pairs.py).
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import * as ops from '../../lib/graph/ops.js'
import { defineModel } from '../../lib/models/define.js'
import type { Tensor } from '../../lib/models/model.js'
import { native } from '../../lib/native.js'
import { optimizerFromJSON } from '../../lib/optim/from_json.js'
import type { OptimizerJSON } from '../../lib/optim/optimizer.js'
import { Generator } from '../support/generator.js'

interface Golden {
  steps: number
  batchSize: number
  dense: number
  rows: number[]
  cases: {
    width: number
    seed: number
    optimizer: OptimizerJSON
    shapes: { [name: string]: number[] }
    expected: { losses: number[]; final: { [name: string]: string } }
  }[]
}

const golden: Golden = JSON.parse(readFileSync(new URL('../golden/pairs.json', import.meta.url), 'utf8'))

const modelOf = (width: number) =>
  defineModel({
    kind: 'pairs',
    about: 'what make_pairs.py describes',
    options: {},
    graph: g => {
      const fields = g.columns.length
      const e = ops.embeddingBag(g, 'e', { width })
      const n = ops.numericEmbedding(g, 'n', g.dense, { width })
      const x = ops.concat(g, 'x', [e, n])
      const bi = ops.fmPair(g, 'bi', x, { width, vector: true })
      const m = ops.mul(g, 'm', bi, ops.slice(g, 's', x, { start: Math.floor(width / 2), length: width }))
      const last = ops.slice(g, 'last', e, { start: (fields - 1) * width, length: width })
      const v = ops.embeddingBag(g, 'v', { width: (fields - 1) * width })
      const logits = ops.add(g, 'logits', [
        ops.fmPair(g, 'fm', x, { width }),
        ops.fieldWeightedPair(g, 'fw', x, { width }),
        ops.ffmPair(g, 'ffm', v, { width }),
        ops.mlp(g, 'deep', ops.concat(g, 'z', [m, last]), { layers: [1], last: 'none' }),
        ops.exp(g, 'exp', ops.slice(g, 'first', x, { start: 0, length: 1 })),
      ])
      return { loss: ops.bceLoss(g, 'loss', logits, g.labels), prediction: ops.sigmoid(g, 'p', logits) }
    },
  })

function batchesOf(seed: number): Batch[] {
  const { batchSize: size, dense: columns, rows } = golden
  const g = new Generator(seed + 1)
  return Array.from({ length: golden.steps }, () => {
    const dense = g.symmetric(size * columns, 1)
    const tables = rows.map(bound => {
      return {
        offsets: Int32Array.from({ length: size + 1 }, (_, b) => b),
        indices: Int32Array.from(g.below(size, bound)),
      }
    })
    return { size, dense, tables, labels: g.unit(size).map(u => Number(u < Math.fround(0.4))) }
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
  t.test(`8 runs of PyTorch 2.13, 4 steps each, on ${isa}`, async t => {
    for (const { width, seed, optimizer, shapes, expected } of golden.cases) {
      const name = `${optimizer.rule}, width ${width}`
      const model = new (modelOf(width))({ dense: golden.dense, tables: golden.rows, isa })
      model.loadState(initialState(seed, shapes))
      await model.compile({ optimizer: optimizerFromJSON(optimizer), maxBatch: golden.batchSize })
      for (const [i, batch] of batchesOf(seed).entries()) {
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

t.test('predictions skip pairs whose weight is 0, and are the same', async t => {
  const model = new (modelOf(10))({ dense: golden.dense, tables: golden.rows, seed: 3 })
  const batch = batchesOf(1)[0]!
  const state = model.state()
  const weight = state.get('fw.weight')!
  const predictions = async (small: number) => {
    const data = weight.data.map((w, p) => (p % 10 ? small : w))
    model.loadState(new Map(state).set('fw.weight', { ...weight, data }))
    return model.predict(batch)
  }
  t.same(await predictions(0), await predictions(1e-30))
  t.notSame(await predictions(0), await predictions(0.5))
})
