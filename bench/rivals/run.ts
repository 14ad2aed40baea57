/**
 * Ours against PyTorch and ONNX Runtime, same shapes, same machine, in turns: `npm run bench:rivals -- [options]`.
 * `DLRM_PYTHON` is a Python with PyTorch, `DLRM_ORT` a folder with onnxruntime-node (README.md beside this file); with one of
 * them, only that rival is timed.
 *
 *   --case=step,predict,mlp   of step, predict, interaction_dot, mlp, embedding_bag; default all
 *   --batch=2048,128          only these
 *   --precision=fp32          or bf16: there PyTorch's best counts, of bf16 and fp32
 *   --rounds=3                so many times ours, theirs, ours, theirs ...
 *   --seconds=1.5             of each way in each round
 *   --threads=4
 *   --no-compile              PyTorch eager only
 *   --alone                   ours only: without rivals
 *   --smoke                   small shapes, one round, a moment each
 *   --json                    one JSON object per line
 *
 * All ways of a rival run in the first round; later ones repeat those within a third of the best. The best median counts.
 */
import { parseArgs } from 'node:util'
import { native } from '../../lib/native.js'
import { summary } from '../measure.js'
import { machine, time } from '../report.js'
import { type Comparison, comparisons } from './comparisons.js'
import { available, timeOurs, timeRival } from './contenders.js'

const { values: options } = parseArgs({
  options: {
    case: { type: 'string' },
    batch: { type: 'string' },
    precision: { type: 'string' },
    threads: { type: 'string', default: `${native.threads()}` },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    'no-compile': { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const { smoke, alone } = options
const threads = Number(options.threads)
const seconds = Number(options.seconds ?? (smoke ? 0.02 : 1.5))
const rounds = Number(options.rounds ?? (smoke ? 1 : 3))

/** Medians in milliseconds over the rounds, by way. */
export interface Figures {
  name: string
  version?: string
  /** The fastest way, and its median. */
  best: string
  median: number
  ways: { [way: string]: number }
  errors?: { [way: string]: string }
}

export interface RivalResult extends Pick<Comparison, 'case' | 'name' | 'batch' | 'precision'> {
  threads: number
  rounds: number
  ours: Figures
  rivals: Figures[]
  /** Of the best rival to ours; null without rivals. */
  ratio: number | null
}

function fail(message: string): never {
  console.error(`bench:rivals: ${message}`)
  process.exit(1)
}

/** Times of one contender, by way. */
class Times {
  readonly #times = new Map<string, number[]>()
  constructor(
    readonly name: string,
    readonly version = '',
    readonly errors: { [way: string]: string } = {},
  ) {}

  add(ways: { [way: string]: number }): void {
    for (const [way, ms] of Object.entries(ways)) this.#times.set(way, [...(this.#times.get(way) ?? []), ms])
  }

  /** The ways that may still be the best. */
  promising(all: string[]): string[] {
    if (this.#times.size === 0) return all
    const { median, ways } = this.figures()
    return all.filter(way => (ways[way] ?? Infinity) < median * 1.33)
  }

  figures(): Figures {
    const ways = Object.fromEntries([...this.#times].map(([way, times]) => [way, summary(times).median]))
    const best = Object.keys(ways).reduce((a, b) => (ways[b]! < ways[a]! ? b : a))
    const { name, version, errors } = this
    return { name, ...(version ? { version } : {}), best, median: ways[best]!, ways, errors }
  }
}

function compare(comparison: Comparison): RivalResult {
  const how = { threads, seconds, smoke }
  const ours = new Times('dlrm')
  const theirs = comparison.rivals
    .filter(rival => !alone && available(rival))
    .map(rival => ({ rival, times: new Times('') }))
  for (let round = 0; round < rounds; round++) {
    for (const way of ours.promising(Object.keys(comparison.ours)))
      ours.add({ [way]: timeOurs(comparison.ours[way]!, how) })
    for (const contender of theirs) {
      const { rival, times } = contender
      const asked = options['no-compile'] ? rival.ways.filter(way => !way.startsWith('compiled')) : rival.ways
      const ways = times.promising(asked)
      const answer = timeRival(rival, ways, how)
      if (Object.keys(answer.ways).length === 0) fail(`${answer.name}: ${Object.values(answer.errors)}`)
      if (round === 0) contender.times = new Times(answer.name, answer.version, answer.errors)
      contender.times.add(answer.ways)
    }
  }
  const rivals = theirs.map(({ times }) => times.figures())
  const own = ours.figures()
  const best = Math.min(...rivals.map(({ median }) => median))
  const { case: what, name, batch, precision } = comparison
  const ratio = rivals.length > 0 ? best / own.median : null
  return { case: what, name, batch, precision, threads, rounds, ours: own, rivals, ratio }
}

function line({ name, batch, precision, ours, rivals, ratio }: RivalResult): string {
  const cell = ({ name: who, version, best, median }: Figures) =>
    `${`${who} ${version ?? ''}`.trim()} ${time(median)} (${best})`.padEnd(46)
  const head = `${name.padEnd(52)} B ${`${batch}`.padEnd(5)} ${precision}  `
  const errors = rivals.flatMap(rival =>
    Object.entries(rival.errors ?? {}).map(([way, error]) => `\n  ${way}: ${error}`),
  )
  return `${head}${cell(ours)}${rivals.map(cell).join('')}${ratio ? `${ratio.toFixed(2)}x` : ''}${errors.join('')}`
}

const cases = options.case?.split(',')
const batches = options.batch?.split(',').map(Number)
const all = comparisons(smoke)
const chosen = all.filter(
  own =>
    (cases?.includes(own.case) ?? true) &&
    (batches?.includes(own.batch) ?? true) &&
    (options.precision?.split(',').includes(own.precision) ?? true),
)
if (chosen.length === 0) fail(`no comparison matches; --case: ${[...new Set(all.map(own => own.case))]}`)
if (!alone && !chosen.some(own => own.rivals.some(available))) {
  fail(
    'set DLRM_PYTHON to a Python with PyTorch, or DLRM_ORT to a folder with onnxruntime-node; bench/rivals/README.md says how',
  )
}
if (!options.json) console.log(`${machine()}; medians of ${rounds} rounds on ${threads} threads`)
for (const comparison of chosen) {
  const result = compare(comparison)
  console.log(options.json ? JSON.stringify(result) : line(result))
}
