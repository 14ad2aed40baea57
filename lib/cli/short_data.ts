import { open } from 'node:fs/promises'
import { ioError } from '../errors.js'
import { guess } from './rows.js'
import type { TrainFlags } from './settings.js'
import { UsageError } from './usage.js'

/** The longest first line that is looked at. */
const HEAD = 1 << 16

/** `--data=<file>` as the flags it is short for. Errors: UsageError; `ERR_IO`. */
export async function expandData<F extends TrainFlags>(flags: F): Promise<F> {
  const { data, ...rest } = flags
  if (data === undefined) return flags
  for (const [name, clash] of [
    ['--raw-data-file', rest.rawDataFile !== undefined],
    [
      `--data-generation=${rest.dataGeneration}`,
      rest.dataGeneration !== undefined && rest.dataGeneration !== 'dataset',
    ],
  ] as const) {
    if (clash) throw new UsageError(`--data and ${name}: give one of them, not both`)
  }
  const dataSet = rest.dataSet ?? (await formatOf(data))
  return { ...(rest as F), dataGeneration: 'dataset', dataSet, rawDataFile: data }
}

async function formatOf(path: string): Promise<'kaggle' | 'csv'> {
  const line = await firstLine(path).catch(cause => {
    throw ioError(`--data=${path}`, cause)
  })
  const format = guess(line)
  if (format === 'jsonl')
    throw new UsageError(`--data=${path}: expected Criteo lines or CSV with a header line, not JSON`)
  return format
}

async function firstLine(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD), 0, HEAD, 0)
    return buffer.toString('utf8', 0, bytesRead).split('\n', 1)[0]!
  } finally {
    await file.close()
  }
}
