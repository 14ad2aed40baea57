/**
 * The training step of every model against its plain PyTorch definition, in turns: `npm run bench:models -- [options]`.
 * `DLRM_PYTHON` is a Python with PyTorch (rivals/README.md).
 *
 *   --models=fm,deepfm   default all
 *   --batch=4096  --threads=4  --seconds=2  --rounds=3
 *   --compile            PyTorch's better of eager and torch.compile; else eager
 *   --alone              ours only, without PyTorch
 *   --smoke              a small batch, a moment each, ours only
 *   --json               one JSON object per line
 *
 * Frappe's ten columns of ids (5,382 in all), one id each, embeddings of width 10, MLP 400-400-400, Adam on every row of the tables in
 * both (`lazy: false`): the same arithmetic. A step is one `await model.step(batch)`, eight batches in turn, each model in a process of its own.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Batch } from '../lib/data/batch.js'
import type { ModelClass } from '../lib/models/define.js'
import { DLRM } from '../lib/models/dlrm.js'
import { modelKinds } from '../lib/models/kinds.js'
import type { Model } from '../lib/models/model.js'
import { native } from '../lib/native.js'
import { Adam } from '../lib/optim/adam.js'
import { summary } from './measure.js'
import { machine } from './report.js'
import { requirePython, run, script } from './rivals/python.js'

const ROWS = [957, 4082, 7, 7, 2, 3, 2, 9, 80, 233]

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: [...modelKinds.keys()].join() },
    batch: { type: 'string' },
    threads: { type: 'string', default: `${native.threads()}` },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    compile: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    here: { type: 'boolean', default: false }, // what a child gets: time the one model in this process
  },
})
const { smoke } = options
const batchSize = Number(options.batch ?? (smoke ? 64 : 4096))
const seconds = Number(options.seconds ?? (smoke ? 0.02 : 2))
const rounds = Number(options.rounds ?? (smoke ? 1 : 3))

function makeModel(kind: string): Model {
  if (kind === 'dlrm') return new DLRM({ dense: 0, tables: ROWS, embeddingDim: 10, top: [400, 400, 400] })
  const ModelClass = modelKinds.get(kind) as ModelClass | undefined
  if (!ModelClass) throw new Error(`--models=${kind}: expected ${[...modelKinds.keys()].join(', ')}`)
  return new ModelClass({ tables: kind === 'mf' ? ROWS.slice(0, 2) : ROWS })
}

function makeBatch(rows: readonly number[], size: number): Batch {
  const offsets = new Int32Array(size + 1).map((_, b) => b)
  const tables = rows.map(r => ({ offsets, indices: new Int32Array(size).map(() => Math.floor(Math.random() * r)) }))
  const labels = new Float32Array(size).map(() => Math.round(Math.random()))
  return { size, tables, labels, weights: labels.map(y => (y ? 3 : 1)) }
}

/** Median milliseconds of a step, in this process. */
async function timeHere(kind: string): Promise<number> {
  const model = makeModel(kind)
  await model.compile({ optimizer: new Adam({ lr: 1e-3, lazy: false }), maxBatch: batchSize })
  const batches = Array.from({ length: 8 }, () => makeBatch(model.inputs.rows, batchSize))
  if (kind !== 'youtube_ranking') for (const batch of batches) delete batch.weights
  const times: number[] = []
  const begin = performance.now()
  for (let i = 0; times.length < 5 || performance.now() < begin + 1000 * seconds; i++) {
    const start = performance.now()
    await model.step(batches[i % batches.length]!)
    if (i > 3) times.push(performance.now() - start)
  }
  return summary(times).median
}

function ours(kind: string): number {
  const args = [
    fileURLToPath(import.meta.url),
    '--here',
    `--models=${kind}`,
    `--batch=${batchSize}`,
    `--seconds=${seconds}`,
  ]
  return run<{ median: number }>(process.execPath, args, { DLRM_THREADS: options.threads }).median
}

interface Theirs {
  median: number
  way: string
  torch: string
}

function theirs(kind: string): Theirs {
  const python = requirePython('bench:models')
  const args = [script('torch_models.py'), '--model', kind, '--batch', `${batchSize}`, '--seconds', `${seconds}`]
  return run(python, [...args, '--threads', options.threads, ...(options.compile ? ['--compile'] : [])])
}

function compare(kind: string): void {
  const alone = options.alone || smoke
  const own: number[] = []
  const rival: Theirs[] = []
  for (let round = 0; round < rounds; round++) {
    own.push(ours(kind))
    if (!alone) rival.push(theirs(kind))
  }
  const a = summary(own).median
  const b = alone ? undefined : summary(rival.map(({ median }) => median)).median
  if (options.json) {
    console.log(
      JSON.stringify({
        model: kind,
        batch: batchSize,
        threads: Number(options.threads),
        ours: own,
        theirs: rival,
        ratio: b && b / a,
      }),
    )
    return
  }
  const rate = (ms: number) => `${Math.round(batchSize / ms).toLocaleString('en-US')}k/s`
  const figures = (ms: number) => `${ms.toFixed(2).padStart(8)} ms ${rate(ms).padStart(9)}`
  const beside =
    b === undefined ? '' : `   torch ${rival[0]!.torch} ${rival[0]!.way} ${figures(b)}   ${(b / a).toFixed(2)}x`
  console.log(`${kind.padEnd(16)} dlrm ${figures(a)}${beside}`)
}

if (options.here) {
  console.log(JSON.stringify({ median: await timeHere(options.models) }))
} else {
  if (!options.json)
    console.log(
      `${machine()}; a training step of ${batchSize} examples on ${options.threads} threads, medians of ${rounds} rounds`,
    )
  for (const kind of options.models.split(',')) compare(kind)
}
