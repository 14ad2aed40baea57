/** Measures the parts of a page, each with the program that one would run by hand. */
import { arch, cpus, platform, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { native } from '../../lib/native.js'
import type { Measurement } from '../measure.js'
import { inOwnProcess } from '../own_process.js'
import { machine } from '../report.js'
import type { RivalResult } from '../rivals/run.js'
import type { BusyTiming, Timing } from '../train.js'
import type { BenchResults, Limits, Origin } from './results.js'

export interface CollectOptions {
  smoke: boolean
  /** Of each case; default that of the program. */
  seconds?: number
  rounds?: number
}

const here = dirname(fileURLToPath(import.meta.url))

/** The JSON lines of a program of the benchmark; throws if it fails. */
function lines<T>(program: string, flags: string[], { smoke, seconds }: CollectOptions): T[] {
  const common = ['--json', ...(smoke ? ['--smoke'] : []), ...(seconds ? [`--seconds=${seconds}`] : [])]
  const what = `${program} ${flags.join(' ')}`
  return inOwnProcess(join(here, '..', program), [...flags, ...common], { what })
    .trim()
    .split('\n')
    .map(text => JSON.parse(text))
}

const origin = (command: string): Origin => ({
  date: new Date().toISOString().slice(0, 10),
  machine: machine(),
  command,
})

export function emptyResults(smoke: boolean): BenchResults {
  const details: [string, string][] = [
    [
      'CPU',
      `${cpus()[0]?.model.trim() ?? arch()}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB of memory`,
    ],
    ['instruction sets', native.isas().join(', ')],
    ['threads', `${native.threads()}`],
    ['system', `${platform()} ${release()}, Node.js ${process.version}`],
  ]
  return { version: 1, smoke, threads: native.threads(), isa: native.isa(), details }
}

function limits({ smoke }: CollectOptions): Limits {
  const threads = native.threads()
  const seconds = smoke ? 0 : 0.3
  const sizes = smoke ? [1 << 16, 1 << 18] : [1 << 18, 1 << 28]
  const gather = (rowBytes: number) => native.probe('gather', { threads, rowBytes, bytes: sizes[1]!, seconds })
  return {
    fma: native.probe('fma', { threads, isa: native.isa(), seconds }),
    read: sizes.map(bytes => ({ bytes, rate: native.probe('read', { threads, bytes, seconds }) })),
    gather: [64, 256, 512].map(rowBytes => ({ rowBytes, rate: gather(rowBytes) })),
  }
}

/** Every op on the best instruction set and all threads. */
export function collectKernels(options: CollectOptions): NonNullable<BenchResults['kernels']> {
  const flags = [`--isa=${native.isa()}`, `--threads=${native.threads()}`]
  const ops = lines<Measurement>('run.js', flags, options)
  const found = limits(options)
  // The best of all the times that it was measured: neighbours may have taken a share of one.
  for (const { bound, peak } of ops) if (bound === 'fma') found.fma = Math.max(found.fma, peak * 1e9)
  return { ...origin(`npm run bench -- ${flags.join(' ')}`), limits: found, ops }
}

/** The training step with 1 to all threads, both ways of prediction too by size of batch, and the step beside busy loops. */
export function collectScaling(options: CollectOptions): NonNullable<BenchResults['scaling']> {
  const all = native.threads()
  const counts = Array.from({ length: all }, (_, i) => i + 1).filter(
    n => all <= 8 || n === all || Number.isInteger(Math.log2(n)),
  )
  const sizes = options.smoke ? [1, 8, 32] : [1, 8, 32, 128, 512, 2048, 8192]
  const large = options.smoke ? 32 : 2048
  const threads = counts.flatMap(n => {
    return lines<Timing>('train.js', ['--case=step,predict', `--batch=${large}`, `--threads=${n}`], options)
  })
  const batches = lines<Timing>('train.js', [`--batch=${sizes.join()}`], options)
  const [busy] = lines<BusyTiming>('train.js', [`--busy=${all}`, `--batch=${large}`], options)
  return { ...origin('npm run bench:train'), threads, batches, busy: busy! }
}

/** Beside the rivals that are there, else alone. */
export function collectRivals(options: CollectOptions): NonNullable<BenchResults['rivals']> {
  const flags = process.env.DLRM_PYTHON || process.env.DLRM_ORT ? [] : ['--alone']
  if (options.rounds) flags.push(`--rounds=${options.rounds}`)
  const results = lines<RivalResult>('rivals/run.js', flags, options)
  return { ...origin(['npm run bench:rivals', ...(flags.length > 0 ? ['--', ...flags] : [])].join(' ')), results }
}
