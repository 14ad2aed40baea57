// Parameter groups, whole tables, weight decay, clipping and FTRL against PyTorch 2.13 and plain FTRL (test/golden/make_optim.py).
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import { DlrmError } from '../../lib/errors.js'
import * as ops from '../../lib/graph/ops.js'
import { defineModel } from '../../lib/models/define.js'
import { type Isa, native, threads } from '../../lib/native.js'
import { optimizerFromJSON } from '../../lib/optim/from_json.js'
import { ParameterGroups } from '../../lib/optim/groups.js'
import type { OptimizerJSON } from '../../lib/optim/optimizer.js'
import { Generator } from '../support/generator.js'

interface Case {
  name: string
  seed: number
  start?: number
  lazy?: boolean
  clipNorm?: number
  groups: { [group: string]: OptimizerJSON }
  expected: { losses: number[]; zeros: number; tables: string[]; weight: string; bias: string }
}

const golden: { cases: Case[] } = JSON.parse(readFileSync(new URL('../golden/optim.json', import.meta.url), 'utf8'))
const [ROWS, WIDTH, BATCH, STEPS] = [[50, 7], 4, 12, 10]

const Small = defineModel({
  kind: 'small',
  about: 'what make_optim.py describes',
  options: {},
  graph: g => {
    const logits = ops.mlp(g, 'top', ops.embeddingBag(g, 'e', { width: WIDTH }), { layers: [1], last: 'none' })
    return { loss: ops.bceLoss(g, 'loss', logits, g.labels), prediction: ops.sigmoid(g, 'p', logits) }
  },
})

const unpack = (base64: string) => new Float32Array(Uint8Array.from(Buffer.from(base64, 'base64')).buffer)

/** The run of a case: losses, and every tensor by name. */
async function run(c: Case, isa: Isa) {
  const g = new Generator(c.seed)
  const state = new Map(
    ROWS.map((rows, i) => {
      return [`e.${i}.weight`, { shape: [rows, WIDTH], data: g.symmetric(rows * WIDTH, c.start ?? 1) }]
    }),
  )
  state.set('top.0.weight', { shape: [1, 2 * WIDTH], data: g.symmetric(2 * WIDTH, 1) })
  state.set('top.0.bias', { shape: [1], data: new Float32Array(1) })
  const model = new Small({ tables: ROWS, isa })
  model.loadState(state)
  const groups = Object.entries(c.groups).map(([name, json]) => {
    return [name, optimizerFromJSON({ ...json, lazy: c.lazy ?? false })] as const
  })
  const optimizer = new ParameterGroups(Object.fromEntries(groups))
  await model.compile({ optimizer, maxBatch: BATCH, clipNorm: c.clipNorm })
  const losses: number[] = []
  for (let step = 0; step < STEPS; step++) {
    const offsets = Int32Array.from({ length: BATCH + 1 }, (_, b) => b)
    const tables = ROWS.map(rows => ({ offsets, indices: g.below(BATCH, rows) }))
    const batch: Batch = { size: BATCH, tables, labels: g.unit(BATCH).map(u => Number(u < 0.5)) }
    losses.push(await model.step(batch))
  }
  return { losses, state: model.state() }
}

for (const isa of native.isas()) {
  t.test(`10 steps each on ${isa}`, async t => {
    for (const c of golden.cases) {
      const { losses, state } = await run(c, isa)
      losses.forEach((loss, i) => {
        t.ok(Math.abs(loss - c.expected.losses[i]!) < 1e-5, `${c.name}: loss ${loss}, ${c.expected.losses[i]}`)
      })
      const { tables, weight, bias } = c.expected
      const tensors = { 'e.0.weight': tables[0]!, 'e.1.weight': tables[1]!, 'top.0.weight': weight, 'top.0.bias': bias }
      for (const [name, packed] of Object.entries(tensors)) {
        const [ours, theirs] = [state.get(name)!.data, unpack(packed)]
        const off = ours.reduce((worst, x, i) => Math.max(worst, Math.abs(x - theirs[i]!)), 0)
        t.ok(ours.length === theirs.length && off < 1e-5, `${c.name}: ${name} is ${off} off`)
      }
      const zeros = ['e.0.weight', 'e.1.weight'].flatMap(name => [...state.get(name)!.data].filter(x => x === 0))
      t.equal(zeros.length, c.expected.zeros, `${c.name}: exact zeros`)
    }
  })
}

t.test('bitwise the same with any number of threads', async t => {
  const before = threads()
  const isa = native.isa()
  for (const c of golden.cases.filter(({ clipNorm }) => clipNorm)) {
    threads(1)
    const one = await run(c, isa)
    threads(3)
    t.strictSame(await run(c, isa), one, c.name)
  }
  threads(before)
})

t.test('a clipNorm that makes no sense', async t => {
  const model = new Small({ tables: ROWS })
  const optimizer = optimizerFromJSON({ rule: 'sgd', lr: 0.1 })
  for (const clipNorm of [-1, NaN, '1' as never]) {
    await t.rejects(model.compile({ optimizer, maxBatch: 1, clipNorm }), { code: 'ERR_ARGUMENT', message: /clipNorm/ })
  }
  await t.rejects(model.step({ size: 1, tables: [], labels: Float32Array.of(1) }), DlrmError)
})
