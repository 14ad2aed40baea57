import { stat } from 'node:fs/promises'
import type { Io } from './io.js'
import { openModel } from './models.js'
import { count } from './output.js'
import { checkFolder } from './setup.js'
import { UsageError } from './usage.js'

interface QuantizeFlags {
  loadModel?: string
  saveModel?: string
  model?: string
  tables?: 'int8' | 'int4'
}

/** `dlrm quantize`: a saved model with its tables in a quarter or an eighth of the memory, for predictions. */
export async function quantize(flags: QuantizeFlags, io: Io): Promise<number> {
  const { loadModel, saveModel, tables = 'int8' } = flags
  if (loadModel === undefined) throw new UsageError('--load-model: is needed')
  if (saveModel === undefined) throw new UsageError('--save-model: is needed')
  await checkFolder('--save-model', saveModel)
  const model = await openModel(loadModel, flags.model)
  await model.quantize({ tables })
  await model.save(saveModel)
  const [before, after] = await Promise.all([loadModel, saveModel].map(async path => (await stat(path)).size))
  io.stdout.write(`${saveModel}: tables of ${tables}, ${count(after!)} bytes instead of ${count(before!)}\n`)
  return 0
}
