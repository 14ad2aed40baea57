/**
 * Times the whole training step and prediction of a model: `npm run bench:train -- [options]`.
 *
 *   --case=step,predict,predictSync   default all
 *   --batch=2048,128                  default: step 2048 and 128; predictions 2048, 128 and 1
 *   --model=kaggle                    or heavy, mlperf: shapes.ts
 *   --device=cpu                      or cuda; there the default batches are 65536 and 2048, predictions 65536, 2048 and 1
 *   --precision=fp32                  or bf16
 *   --threads=4                       default DLRM_THREADS, else the cores this process may use
 *   --seconds=2                       of each case
 *   --busy=4                          the training step again beside so many busy loops, and how much slower it is
 *   --smoke                           small tables, a moment each
 *   --json                            one JSON object per line
 *
 * Each case runs in a process of its own. SGD; a step is one `await model.step(batch)`, eight batches in turn. On a GPU the
 * next step is given before the loss of one is awaited, so that its batch travels meanwhile.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Batch } from '../lib/data/batch.js'
import { DLRM } from '../lib/models/dlrm.js'
import { type Device, native } from '../lib/native.js'
import { SGD } from '../lib/optim/sgd.js'
import { summary } from './measure.js'
import { inOwnProcess } from './own_process.js'
import { machine, time } from './report.js'
import { describeShape, MODEL_SHAPES, type ModelShape, modelShape, type ShapeName } from './shapes.js'

const CASES = ['step', 'predict', 'predictSync'] as const
type Case = (typeof CASES)[number]

type Precision = 'fp32' | 'bf16'

/** Milliseconds of one case. */
export interface Timing {
  case: Case
  model: ShapeName
  precision: Precision
  device: Device
  batch: number
  threads: number
  repeats: number
  median: number
  best: number
  spread: number
}

/** A training step alone, beside busy loops and alone again. */
export interface BusyTiming {
  batch: number
  loops: number
  idle: [Timing, Timing]
  busy: Timing
  /** How many times slower. */
  ratio: number
}

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: CASES.join() },
    batch: { type: 'string' },
    model: { type: 'string', default: 'kaggle' },
    precision: { type: 'string', default: 'fp32' },
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string' },
    seconds: { type: 'string' },
    busy: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    here: { type: 'boolean', default: false }, // what a child gets: time the one case in this process
  },
})
const seconds = Number(options.seconds ?? (options.smoke ? 0.05 : 2))

function fail(message: string): never {
  console.error(`bench:train: ${message}`)
  process.exit(1)
}

function oneOf<T extends string>(flag: string, value: string, names: readonly T[]): T {
  return names.find(name => name === value) ?? fail(`--${flag}=${value}: expected ${names.join(' or ')}`)
}

const shapeName = oneOf('model', options.model, Object.keys(MODEL_SHAPES) as ShapeName[])
const precision = oneOf('precision', options.precision, ['fp32', 'bf16'] as const)
const device = oneOf<Device>('device', options.device, ['cpu', 'cuda'])
const gpu = device === 'cuda' ? native.cuda() : undefined
const emulated = gpu?.available === true && gpu.emulated
const shape = narrowed(modelShape(shapeName, options.smoke))

/** The emulator is a thousand times slower than any CPU. */
function narrowed(shape: ModelShape): ModelShape {
  if (!emulated) return shape
  const narrow = (layers: number[]) => layers.map(width => Math.min(width, 32))
  return { ...shape, width: Math.min(shape.width, 16), bottom: narrow(shape.bottom), top: narrow(shape.top) }
}

function makeBatch({ dense, tables, rows, pooling }: ModelShape, size: number): Batch {
  const random = (n: number) => new Float32Array(n).map(() => 2 * Math.random() - 1)
  const columns = Array.from({ length: tables }, () => ({
    offsets: new Int32Array(size + 1).map((_, b) => b * pooling),
    indices: new Int32Array(size * pooling).map(() => Math.floor(Math.random() * rows)),
  }))
  const labels = new Float32Array(size).map(() => Math.round(Math.random()))
  return { size, dense: random(dense * size), tables: columns, labels }
}

async function timeHere(name: Case, size: number): Promise<Timing> {
  const { dense, tables, rows, width, bottom, top } = shape
  const model = new DLRM({
    dense,
    tables: Array(tables).fill(rows),
    embeddingDim: width,
    bottom,
    top,
    precision,
    device,
  })
  if (name === 'step') await model.compile({ optimizer: new SGD({ lr: 0.01 }), maxBatch: size })
  const batches = Array.from({ length: 8 }, () => makeBatch(shape, size))
  const times: number[] = []
  const begin = performance.now()
  const warmup = Math.min(1000 * seconds, 500) / 2
  let before: Promise<unknown> = Promise.resolve()
  for (let i = 0, counted = false; times.length < 5 || performance.now() < begin + warmup + 1000 * seconds; i++) {
    const batch = batches[i % batches.length]!
    counted ||= i >= 3 && performance.now() > begin + warmup
    const start = performance.now()
    if (name === 'step' && device === 'cuda') {
      const step = model.step(batch)
      await before
      before = step
    } else if (name === 'step') await model.step(batch)
    else if (name === 'predict') await model.predict(batch)
    else model.predictSync(batch)
    if (counted) times.push(performance.now() - start)
  }
  await before
  const how = { case: name, model: shapeName, precision, device, batch: size, threads: native.threads() }
  return { ...how, repeats: times.length, ...summary(times) }
}

function timed(name: Case, size: number): Timing {
  const own = { case: name, batch: size, seconds, model: shapeName, precision, device }
  const args = ['--here', ...Object.entries(own).map(([k, v]) => `--${k}=${v}`)]
  if (options.smoke) args.push('--smoke')
  const env = options.threads ? { ...process.env, DLRM_THREADS: options.threads } : process.env
  return JSON.parse(inOwnProcess(fileURLToPath(import.meta.url), args, { what: `${name} of ${size}`, device, env }))
}

function chosen(): [Case, number][] {
  const names = options.case.split(',') as Case[]
  for (const name of names) if (!CASES.includes(name)) fail(`--case=${name}: expected ${CASES}`)
  const sizes = options.batch?.split(',').map(Number)
  if (sizes?.some(size => !(Number.isInteger(size) && size > 0))) fail(`--batch=${options.batch}: expected sizes`)
  if (!(seconds > 0)) fail(`--seconds=${options.seconds}: expected a number > 0`)
  const all = names.flatMap(name => {
    const usual = emulated ? [16, 8] : device === 'cuda' ? [65536, 2048] : [2048, 128]
    return (sizes ?? (name === 'step' ? usual : [...usual, 1])).map((size): [Case, number] => [name, size])
  })
  // A lent GPU may be gone before the end: what counts most comes first there.
  const late = ([name, size]: [Case, number]) => (name === 'step' || (name === 'predictSync' && size === 1) ? 0 : 1)
  return device === 'cuda' ? all.sort((a, b) => late(a) - late(b)) : all
}

const line = (t: Timing) =>
  [
    t.case.padEnd(12),
    `B ${t.batch}`.padEnd(7),
    `${t.threads} threads`,
    time(t.median).padStart(10),
    `spread ${(100 * t.spread).toFixed(0)} %`.padStart(13),
    `best ${time(t.best)}`.padStart(15),
    `${Math.round((1000 * t.batch) / t.median).toLocaleString('en')} examples/s`.padStart(22),
  ].join('  ')

/** The step alone, beside `count` processes that do nothing but compute, and alone again. */
function besideBusyLoops(count: number, size: number): void {
  const idle = [timed('step', size)]
  const loops: ChildProcess[] = []
  for (let i = 0; i < count; i++) loops.push(spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }))
  let busy: Timing
  try {
    busy = timed('step', size)
  } finally {
    for (const loop of loops) loop.kill('SIGKILL')
  }
  idle.push(timed('step', size))
  const alone = (idle[0]!.median + idle[1]!.median) / 2
  const ratio = busy.median / alone
  if (options.json) console.log(JSON.stringify({ batch: size, loops: count, idle, busy, ratio }))
  else
    console.log(
      `${line(idle[0]!)}\n${line(busy)}  beside ${count} busy loops\n${line(idle[1]!)}\nslower ${ratio.toFixed(2)}x`,
    )
}

if (options.here) {
  const [[name, size]] = chosen() as [[Case, number]]
  console.log(JSON.stringify(await timeHere(name, size)))
} else {
  if (!options.json) console.log(`${machine()}\n${describeShape(shape)}, ${precision}, ${device}`)
  if (options.busy) {
    const count = Number(options.busy)
    if (!(Number.isInteger(count) && count > 0)) fail(`--busy=${options.busy}: expected a number of loops`)
    try {
      besideBusyLoops(count, Number(options.batch ?? 2048))
    } catch (error) {
      fail((error as Error).message)
    }
  } else {
    const failures = []
    for (const [name, size] of chosen()) {
      try {
        const timing = timed(name, size)
        console.log(options.json ? JSON.stringify(timing) : line(timing))
      } catch (error) {
        failures.push((error as Error).message)
        console.error(`bench:train: ${failures.at(-1)}`)
      }
    }
    if (failures.length > 0) process.exit(1)
  }
}
