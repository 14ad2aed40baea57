/**
 * Times every op of the registry on every instruction set of this machine: `npm run bench -- [options]`.
 *
 *   --op=mlp --shape=13-512   only cases whose op is this, whose shape has this text
 *   --isa=avx2,scalar         instruction sets; default all of this machine
 *   --device=cuda             the GPU instead, on shapes of its own (device_cases.ts), beside the speed at which it copies memory
 *   --threads=1,4             default 1, and for the best instruction set also as many as this process may use
 *   --seconds=.15             time of each case
 *   --smoke                   tiny shapes, a moment each, in this process: does everything run?
 *   --json                    one JSON object per line instead of the table
 *
 * Every case runs in a process of its own, so that none finds memory and caches as another left them.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Isa, native } from '../lib/native.js'
import { type BenchCase, benchCases, opsWithoutCase, type Pass } from './cases.js'
import { type DeviceMeasurement, measureOnDevice } from './device.js'
import { deviceCases } from './device_cases.js'
import { type Measurement, measure } from './measure.js'
import { inOwnProcess } from './own_process.js'
import { heading, row } from './report.js'

const { values: options } = parseArgs({
  options: {
    op: { type: 'string' },
    shape: { type: 'string', default: '' },
    isa: { type: 'string', default: native.isas().join() },
    device: { type: 'string', default: 'cpu' },
    threads: { type: 'string' },
    seconds: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' }, // what a child gets: case, pass, isa, threads, best multiply-add rate
  },
})
const seconds = Number(options.seconds ?? (options.smoke ? 0.004 : 0.15))

function fail(message: string): never {
  console.error(`bench: ${message}`)
  process.exit(1)
}

function chosen(cases: readonly BenchCase[]): { index: number; pass: Pass; isa: Isa; threads: number }[] {
  const isas = options.isa.split(',') as Isa[]
  for (const isa of isas) if (!native.isas().includes(isa)) fail(`--isa=${isa}: this machine has ${native.isas()}`)
  const counts = options.threads?.split(',').map(Number)
  if (counts?.some(n => !(Number.isInteger(n) && n > 0)))
    fail(`--threads=${options.threads}: expected numbers like 1,4`)
  if (!(seconds > 0)) fail(`--seconds=${options.seconds}: expected a number > 0`)
  if (options.op && !native.ops().includes(options.op)) fail(`--op=${options.op}: expected one of ${native.ops()}`)
  return cases.flatMap(({ op, shape, passes, big, bf16 }, index) => {
    if ((options.op && op !== options.op) || !shape.includes(options.shape)) return []
    const timed = isas.filter(isa => !(big && isa === 'scalar') && (bf16 || (isa !== 'avx512_bf16' && isa !== 'amx')))
    return passes.flatMap(pass =>
      timed.flatMap(isa => {
        const own = counts ?? (isa === timed.at(-1) ? [...new Set([1, native.threads()])] : [1])
        return own.map(threads => ({ index, pass, isa, threads }))
      }),
    )
  })
}

/** The cases on the GPU; one that fails is told of, and the others still run. */
function runOnDevice(): void {
  const info = native.cuda()
  if (!info.available) fail(info.reason)
  const cases = deviceCases(options.smoke)
  const runs = cases.flatMap(({ op, shape, passes }, index) => {
    if ((options.op && op !== options.op) || !shape.includes(options.shape) || !native.ops('cuda').includes(op))
      return []
    return passes.map(pass => ({ index, pass }))
  })
  if (runs.length === 0) fail('no case matches')
  if (!options.json) console.log(`${info.name}\n${heading()}`)
  let failures = 0
  for (const { index, pass } of runs) {
    try {
      const m = options.smoke
        ? measureOnDevice(cases[index]!, pass, seconds)
        : measured<DeviceMeasurement>(`${index},${pass}`, '--device=cuda')
      console.log(options.json ? JSON.stringify(m) : row(m))
    } catch (error) {
      failures++
      console.error(`bench: ${cases[index]!.op} ${cases[index]!.shape} ${pass}: ${(error as Error).message}`)
    }
  }
  if (failures > 0) fail(`${failures} of ${runs.length} failed`)
}

function measured<T = Measurement>(only: string, ...flags: string[]): T {
  const args = [`--only=${only}`, `--seconds=${seconds}`, ...flags]
  const device = options.device === 'cuda' ? 'cuda' : 'cpu'
  return JSON.parse(inOwnProcess(fileURLToPath(import.meta.url), args, { what: only, device }))
}

const limits = new Map<string, number>()

/** The best multiply-add rate read so far in this run. */
function bestFma(isa: Isa, threads: number): number {
  const key = `${isa},${threads}`
  const read = () => native.probe('fma', { isa, threads, seconds: seconds / 3 })
  if (!limits.has(key)) limits.set(key, Math.max(read(), read(), read()))
  return limits.get(key)!
}

const cases = benchCases(options.smoke)
if (options.device === 'cuda') {
  const [index, pass] = (options.only ?? '').split(',') as [string, Pass]
  if (options.only) console.log(JSON.stringify(measureOnDevice(deviceCases(false)[Number(index)]!, pass, seconds)))
  else runOnDevice()
} else if (options.device !== 'cpu') {
  fail(`--device=${options.device}: expected cpu or cuda`)
} else if (options.only) {
  const [index, pass, isa, threads, fma] = options.only.split(',') as [string, Pass, Isa, string, string]
  const how = { isa, threads: Number(threads), seconds, cold: true, fma: Number(fma) }
  console.log(JSON.stringify(measure(cases[Number(index)]!, pass, how)))
} else {
  const missing = opsWithoutCase(native.ops(), cases)
  if (missing.length > 0) fail(`no case, or none with backward, of ${missing}: add it to bench/cases.ts`)
  const runs = chosen(cases)
  if (runs.length === 0) fail('no case matches')
  if (!options.json) console.log(heading())
  for (const { index, pass, isa, threads } of runs) {
    try {
      const fma = bestFma(isa, threads)
      const measurement = options.smoke
        ? measure(cases[index]!, pass, { isa, threads, seconds, cold: false, fma })
        : measured([index, pass, isa, threads, fma].join())
      if (measurement.bound === 'fma') limits.set(`${isa},${threads}`, measurement.peak * 1e9)
      console.log(options.json ? JSON.stringify(measurement) : row(measurement))
    } catch (error) {
      fail((error as Error).message)
    }
  }
}
