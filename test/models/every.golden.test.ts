// Every model against its plain definition in PyTorch 2.13: predictions, losses, running statistics and parameters of five steps.
import { readFileSync } from 'node:fs'
import t from 'tap'
import type { Batch } from '../../lib/data/batch.js'
import type { ModelClass } from '../../lib/models/define.js'
import { modelKinds } from '../../lib/models/kinds.js'
import type { Tensor } from '../../lib/models/model.js'
import { native } from '../../lib/native.js'
import { optimizerFromJSON } from '../../lib/optim/from_json.js'
import type { OptimizerJSON } from '../../lib/optim/optimizer.js'
import { Generator } from '../support/generator.js'
import { type BatchConfig, makeBatches, unpack } from '../support/golden.js'

interface Case extends BatchConfig {
  name: string
  kind: string
  optimizer: OptimizerJSON
  expected: { losses: number[]; predictions: string; finalPredictions: string; final: Record<string, string> }
  parameters: [name: string, shape: number[], scale: number][]
  [option: string]: unknown
}

const file: { steps: number; cases: Case[] } = JSON.parse(
  readFileSync(new URL('../golden/models.json', import.meta.url), 'utf8'),
)

/** Largest |a - b| beside the largest |b|. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [worst, largest] = [a.length === b.length ? 0 : Number.POSITIVE_INFINITY, 1e-30]
  for (let i = 0; i < b.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!))
    largest = Math.max(largest, Math.abs(b[i]!))
  }
  return worst / largest
}

/** The initial parameters in make_models.py's order; running statistics as they start. */
function initial(c: Case, fresh: Map<string, Tensor>): Map<string, Tensor> {
  const g = new Generator(c.seed)
  const state = new Map(fresh)
  for (const [name, shape, scale] of c.parameters) {
    const data = g.symmetric(
      shape.reduce((a, b) => a * b, 1),
      scale,
    )
    state.set(name, { shape, data })
  }
  return state
}

function batchesOf(c: Case): Batch[] {
  const batches = makeBatches(c, file.steps)
  if (c.kind !== 'youtube_ranking') return batches
  return batches.map((batch, k) => {
    const weights = new Generator(c.seed + 2 + k).unit(batch.size).map((w, i) => (batch.labels![i]! > 0 ? w * 3 : 1))
    return { ...batch, dense: batch.dense!.map(x => Math.abs(x) / 2), weights }
  })
}

const inputs = ['dense', 'tables', 'seed']
const notOptions = [
  ...inputs,
  'name',
  'kind',
  'optimizer',
  'expected',
  'parameters',
  'batchSize',
  'maxBag',
  'weights',
  'softLabels',
]

for (const isa of native.isas()) {
  t.test(`models of PyTorch 2.13 on ${isa}`, async t => {
    for (const c of file.cases) {
      const ModelClass = modelKinds.get(c.kind) as ModelClass
      const options = Object.fromEntries(
        Object.entries(c).filter(([key]) => !notOptions.includes(key) && key in ModelClass.definition.options),
      )
      const model = new ModelClass({ dense: c.dense, tables: c.tables, isa, ...options })
      model.loadState(initial(c, model.state()))
      const batches = batchesOf(c)
      await model.compile({ optimizer: optimizerFromJSON(c.optimizer), maxBatch: c.batchSize })
      const { expected } = c
      const check = (what: string, off: number, bound: number) => t.ok(off < bound, `${c.name}: ${what}: ${off} off`)
      check('predictions', distance(await model.predict(batches[0]!), unpack(expected.predictions)), 1e-5)
      const losses: number[] = []
      for (const batch of batches) losses.push(await model.step(batch))
      check('losses', distance(losses, expected.losses), 1e-5)
      const state = model.state()
      t.same([...state.keys()].sort(), Object.keys(expected.final).sort(), `${c.name}: names`)
      for (const [name, { data }] of state) {
        if (expected.final[name]) check(name, distance(data, unpack(expected.final[name])), 2e-5)
      }
      check('final predictions', distance(await model.predict(batches[0]!), unpack(expected.finalPredictions)), 2e-5)
    }
  })
}
