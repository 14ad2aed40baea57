/** Runs one contender, in a process of its own. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { native } from '../../lib/native.js'
import { benchCases } from '../cases.js'
import type { Contender, Ours } from './comparisons.js'
import { run, script } from './python.js'

export interface How {
  threads: number
  seconds: number
  smoke: boolean
}

/** What a rival's program prints: median milliseconds of each way, and why a way failed. */
export interface RivalTimes {
  name: string
  version: string
  ways: { [way: string]: number }
  errors: { [way: string]: string }
}

const here = dirname(fileURLToPath(import.meta.url))

export function available({ program }: Contender): boolean {
  return Boolean(program === 'onnxruntime' ? process.env.DLRM_ORT : process.env.DLRM_PYTHON)
}

export function timeRival({ program, spec }: Contender, ways: string[], { threads, seconds }: How): RivalTimes {
  const values = { spec: JSON.stringify(spec), ways: ways.join(), threads, seconds }
  const flags = Object.entries(values).map(([name, value]) => `--${name}=${value}`)
  if (program === 'onnxruntime') return run(process.execPath, [join(here, 'onnxruntime.js'), ...flags])
  return run(process.env.DLRM_PYTHON!, [script(program), ...flags])
}

/** Median milliseconds. */
export function timeOurs(ours: Ours, { threads, seconds, smoke }: How): number {
  const small = smoke ? ['--smoke'] : []
  if ('train' in ours) {
    const flags = Object.entries({ ...ours.train, seconds }).map(([name, value]) => `--${name}=${value}`)
    const args = [join(here, '..', 'train.js'), '--here', ...flags, ...small]
    return run<{ median: number }>(process.execPath, args, { DLRM_THREADS: `${threads}` }).median
  }
  const { op, pass, shape } = ours.op
  const index = benchCases(smoke).findIndex(bench => bench.op === op && bench.shape === shape)
  if (index < 0) throw new Error(`bench/cases.ts has no ${op} of ${shape}`)
  const flags = [`--only=${[index, pass, native.isa(), threads].join()}`, `--seconds=${seconds}`, ...small]
  return run<{ median: number }>(process.execPath, [join(here, '..', 'run.js'), ...flags]).median
}
