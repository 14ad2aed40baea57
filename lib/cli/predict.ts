import type { Precision } from '../graph/builder.js'
import { native, type TableDtype } from '../native.js'
import { schemaOf } from './eval.js'
import { type Io, write } from './io.js'
import { openModel } from './models.js'
import { type RowOptions, readRows } from './rows.js'
import { UsageError } from './usage.js'

interface PredictFlags extends RowOptions {
  loadModel?: string
  model?: string
  precision?: Precision
  tableDtype?: TableDtype
  useGpu?: boolean
  threads?: number
  json?: boolean
}

/** `dlrm predict`: one probability per row, in order, as the rows arrive. Memory does not depend on the file's size. */
export async function predict(file: string, flags: PredictFlags, io: Io): Promise<number> {
  const { loadModel, threads } = flags
  if (loadModel === undefined) throw new UsageError('--load-model: is needed')
  if (threads !== undefined) native.threads(threads)
  const model = await openModel(loadModel, flags.model, flags)
  const line = (p: number | undefined): string => {
    const probability = p === undefined ? null : Number(p.toPrecision(9)) // all the digits that a float32 has
    return `${flags.json ? JSON.stringify({ probability }) : (probability ?? 'nan')}\n`
  }
  let bad = 0
  for await (const rows of readRows(file, schemaOf(model, loadModel), io, flags)) {
    const good = rows.filter(row => row !== undefined)
    bad += rows.length - good.length
    const probabilities = good.length > 0 ? await model.predictRows(good) : []
    let next = 0
    await write(io.stdout, rows.map(row => line(row && probabilities[next++])).join(''))
  }
  if (bad > 0) io.stderr.write(`note: malformed lines: ${bad}\n`)
  return 0
}
