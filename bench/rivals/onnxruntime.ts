/**
 * Prediction of a model of ../shapes.ts in ONNX Runtime; one JSON line. Run by run.ts, in a process of its own:
 *
 *   node onnxruntime.js --spec='{"batch":128,"model":{...}}' --ways='tables,one table 1 thread' --threads=4 --seconds=2
 *
 * Ways: `tables`, as exporters write it, or `one table` with all rows; ` 1 thread` behind it: the session gets one thread only.
 * `DLRM_ORT` is a folder in which `npm install onnxruntime-node` was run. The model is one of ours, written as ONNX; the run
 * fails if both do not predict the same.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { DLRM } from '../../lib/models/dlrm.js'
import { randomBatch } from '../in_turns.js'
import { summary } from '../measure.js'
import type { ModelShape } from '../shapes.js'
import { OnnxDlrm } from './onnx.js'

interface Tensor {
  data: Float32Array
}
interface Session {
  run(feeds: { [name: string]: Tensor }): Promise<{ probability: Tensor }>
}
interface Runtime {
  InferenceSession: { create(path: string, options: object): Promise<Session> }
  Tensor: new (type: string, data: Float32Array | BigInt64Array, dims: number[]) => Tensor
  env: { versions: { node: string } }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      spec: { type: 'string' },
      ways: { type: 'string' },
      threads: { type: 'string' },
      seconds: { type: 'string' },
    },
  })
  const { batch: size, model: shape } = JSON.parse(values.spec!) as { batch: number; model: ModelShape }
  const { dense, tables, rows, width, bottom, top } = shape
  const ort = createRequire(join(process.env.DLRM_ORT!, 'package.json'))('onnxruntime-node') as Runtime
  const model = new DLRM({ dense, tables: Array(tables).fill(rows), embeddingDim: width, bottom, top })
  const batches = Array.from({ length: 8 }, () => {
    const batch = randomBatch(model, size)
    const ids = new BigInt64Array(size * tables)
    for (const [t, { indices }] of batch.tables.entries())
      for (const [b, id] of indices.entries()) ids[b * tables + t] = BigInt(id)
    return { batch, dense: batch.dense!, ids }
  })
  const folder = mkdtempSync(join(tmpdir(), 'dlrm-onnx-'))
  const ways: { [way: string]: number } = {}
  try {
    for (const way of values.ways!.split(',')) {
      const path = join(folder, 'model.onnx')
      writeFileSync(path, Buffer.concat(new OnnxDlrm(shape, model.state(), way.startsWith('one table')).file()))
      const intraOpNumThreads = way.endsWith('1 thread') ? 1 : Number(values.threads)
      const session = await ort.InferenceSession.create(path, { intraOpNumThreads, graphOptimizationLevel: 'all' })
      const predict = async (i: number): Promise<Float32Array> => {
        const { dense: x, ids } = batches[i % batches.length]!
        const feeds = {
          dense: new ort.Tensor('float32', x, [size, dense]),
          ids: new ort.Tensor('int64', ids, [size, tables]),
        }
        return (await session.run(feeds)).probability.data
      }
      compare(await predict(0), model.predictSync(batches[0]!.batch))
      ways[way] = await medianOf(predict, Number(values.seconds))
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
  console.log(JSON.stringify({ name: 'ONNX Runtime', version: ort.env.versions.node, ways, errors: {} }))
}

function compare(theirs: Float32Array, ours: Float32Array): void {
  const most = Math.max(...theirs.map((p, i) => Math.abs(p - ours[i]!)))
  if (!(theirs.length === ours.length && most < 1e-5)) throw new Error(`other predictions than ours: by ${most}`)
}

async function medianOf(predict: (i: number) => Promise<unknown>, seconds: number): Promise<number> {
  const times: number[] = []
  const begin = performance.now()
  const warmup = Math.min(1000 * seconds, 500) / 2
  for (let i = 0; times.length < 5 || performance.now() < begin + warmup + 1000 * seconds; i++) {
    const start = performance.now()
    await predict(i)
    if (i >= 3 && start > begin + warmup) times.push(performance.now() - start)
  }
  return summary(times).median
}

await main()
