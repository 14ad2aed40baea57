import type { Schema } from '../data/schema.js'
import type { DataSet } from '../data/source.js'
import type { Precision } from '../graph/builder.js'
import { native, type TableDtype } from '../native.js'
import { evaluate } from '../train/evaluate.js'
import { defined } from './defined.js'
import type { Io } from './io.js'
import { openModel } from './models.js'
import { describe, metricsJson } from './output.js'
import { UsageError } from './usage.js'

interface EvalFlags {
  loadModel?: string
  model?: string
  rawDataFile?: string
  dataSet?: 'kaggle' | 'csv'
  testMiniBatchSize?: number
  numBatches?: number
  onBadLine?: 'skip' | 'error'
  delimiter?: string
  precision?: Precision
  tableDtype?: TableDtype
  useGpu?: boolean
  threads?: number
  json?: boolean
}

/** `dlrm eval`: metrics of a saved model on a file of labelled rows. */
export async function evalCommand(flags: EvalFlags, io: Io): Promise<number> {
  const { loadModel, rawDataFile, threads } = flags
  if (loadModel === undefined) throw new UsageError('--load-model: is needed')
  if (rawDataFile === undefined) throw new UsageError('--raw-data-file: is needed')
  if (threads !== undefined) native.threads(threads)
  const model = await openModel(loadModel, flags.model, flags)
  const data = await openWith(schemaOf(model, loadModel), rawDataFile, flags)
  try {
    const limit = flags.numBatches || undefined
    const metrics = await evaluate(model, data.train, {
      batchSize: flags.testMiniBatchSize ?? 2048,
      ...defined({ limit }),
    })
    const { skipped = 0 } = data.train
    if (flags.json) io.stdout.write(`${JSON.stringify({ ...metricsJson(metrics), skipped_lines: skipped })}\n`)
    else io.stdout.write(`${describe(metrics)}\n`)
    if (skipped > 0) io.stderr.write(`note: malformed lines passed over: ${skipped}\n`)
    return 0
  } finally {
    await data.close()
  }
}

/** Errors: UsageError for a model that does not know its columns. */
export function schemaOf(model: { schema?: Schema }, path: string): Schema {
  if (model.schema) return model.schema
  throw new UsageError(`${path}: has no schema, so raw rows mean nothing to it: it was not trained on files by dlrm`)
}

/** Criteo's columns, by name. */
export function isCriteo(schema: Schema): boolean {
  const names = [...schema.dense, ...schema.categorical].map(column => column.name)
  return names.length === 39 && names.every((name, i) => name === (i < 13 ? `I${i + 1}` : `C${i - 12}`))
}

async function openWith(schema: Schema, file: string, flags: EvalFlags): Promise<DataSet> {
  const { onBadLine, delimiter } = flags
  const common = { schema, validFraction: 0, ...defined({ onBadLine }) }
  const format = flags.dataSet ?? (isCriteo(schema) && delimiter === undefined ? 'kaggle' : 'csv')
  if (format === 'kaggle') {
    const { openCriteo } = await import('../data/criteo.js')
    return openCriteo(file, common)
  }
  const { openCsv } = await import('../data/csv.js')
  return openCsv(file, { ...common, ...defined({ delimiter }), label: schema.label })
}
