// `npm run test:cuda`: all that needs a GPU. The native harness on the device variants, a share of it again under
// compute-sanitizer's memcheck and racecheck where that tool is found, and the TypeScript tests that name cuda.
//
//   npm run test:cuda -- [--no-build] [--emulated] [--share=N] [op ...]
//
//   --no-build   what is built is tested (so in the folder that scripts/gpu-box.mjs makes)
//   --emulated   on the emulator instead of a GPU: does this script work?
//   --share=N    the sanitizers get one of N native tests; default 4
//   --seconds=N  of each part, which is stopped then, and of all of it: what is not begun by then is skipped; default 300
//   op           native tests of these ops only, no others
//   OUT          folder for the log, test-cuda.log; default build/test-cuda
//
// Ends with a table and `N passed, N failed, N skipped`; fails without a device.
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    'no-build': { type: 'boolean', default: false },
    emulated: { type: 'boolean', default: false },
    share: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '300' },
  },
})
const out = resolve(process.env.OUT || join(root, 'build', 'test-cuda'))
const native = join(root, 'build', 'cmake', 'dlrm_native_test')
const addon = join(root, 'build', 'Release', 'dlrm.node')
const plugin = options.emulated
  ? join(root, 'build', 'cmake', 'dlrm_cuda_emulated.so')
  : join(root, 'build', 'Release', 'dlrm_cuda.so')
const env = { ...process.env, DLRM_CUDA_PLUGIN: plugin }
const MOST_SECONDS = Number(options.seconds) // kernels can hang
const MOST_SECONDS_OF_A_TEST = options.emulated ? 200 : 40 // a native one; the next ones run in another process then
const SHARES = 4 // of an op's native tests, side by side
const FINDING = /^=========(?!.*SUMMARY: 0 ).*(error|hazard|invalid)/im
const TOOL_FOLDERS = ['/usr/local/cuda/bin', '/usr/local/cuda/compute-sanitizer', '/opt/cuda/bin']

const rows = []
const parts = new Map()
const running = new Set()
const begin = performance.now()
for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    for (const child of running) end(child)
    process.exit(1)
  })
mkdirSync(out, { recursive: true })
rmSync(join(out, 'test-cuda.log'), { force: true })
if (!options['no-build']) await build()
for (const file of [native, plugin]) if (!existsSync(file)) fail(`no ${relative(root, file)}: leave out --no-build`)
const ops = wanted.length > 0 ? wanted : opsWithKernels()
const [programs, ...taps] = wanted.length > 0 ? [] : others()
await inParallel([...(programs ? [programs] : []), ...sanitizers(), ...ops.flatMap(nativeTests), ...taps])
report()

async function build() {
  await run('build', process.execPath, ['scripts/build-native.mjs', '--tests'])
  if (!options.emulated) await run('build', 'npm', ['run', '--silent', 'build:cuda'])
}

/** Asked in a process of its own: this one needs no GPU. */
function opsWithKernels() {
  const code = `process.stdout.write(require(${JSON.stringify(addon)}).ops('cuda').join())`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', code], { env, encoding: 'utf8' })
  if (status !== 0) fail(/Error: (.*)/.exec(stderr)?.[1] ?? stderr)
  return stdout.split(',')
}

/** Each a function that runs it. Of an op the tests of the device beside the CPU's, in shares that run side by side. */
function nativeTests(op) {
  const tests = ['variants', 'repeated', 'omitted'].map(rule => `${op}/*/${rule}`)
  const limit = `--limit=${MOST_SECONDS_OF_A_TEST}`
  return Array.from({ length: SHARES }, (_, i) =>
    harness(op, SHARES, native, [limit, `--share=${i}/${SHARES}`, ...tests]),
  )
}

/** `mayEnd`: to be stopped for its time is no failure. */
function harness(name, shares, command, args, mayEnd = false) {
  return async () => {
    if (isLate()) return add(name, shares, [0, 0, 1, 0])
    const { status, log, seconds, late } = await run(name, command, args, mayEnd)
    const match = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(log)
    const [passed, failed, skipped] = match ? match.slice(1).map(Number) : countLines(log)
    const lost = status !== 0 && failed === 0 && !(late && mayEnd && !FINDING.test(log))
    add(name, shares, [passed, lost ? 1 : failed, skipped, seconds])
  }
}

/** Of a harness that has been stopped. */
function countLines(log) {
  const count = what => log.split('\n').filter(line => line.startsWith(`${what} `)).length
  return ['ok', 'not ok', 'skip'].map(count)
}

function isLate() {
  return performance.now() - begin > 1000 * MOST_SECONDS
}

function sanitizers() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...TOOL_FOLDERS]
  const tool = folders.map(folder => join(folder, 'compute-sanitizer')).find(existsSync)
  const tests = ops.map(op => `${op}/*/repeated`)
  return ['memcheck', 'racecheck'].map(check => {
    if (!tool) return async () => add(`${check} (no compute-sanitizer)`, 1, [0, 0, 1, 0])
    if (options.emulated) return async () => add(`${check} (no GPU)`, 1, [0, 0, 1, 0])
    const args = ['--tool', check, '--error-exitcode', '9', '--print-limit', '20', native, `--share=0/${options.share}`]
    return harness(check, 1, tool, [...args, ...tests], true)
  })
}

/** Native tests of whole programs on a device, and the TypeScript tests that name cuda: as they are, or compiled in the box. */
function others() {
  const names = readdirSync(join(root, 'test'), { recursive: true }).map(String)
  const files = names.map(name => join('test', name)).filter(name => /\.test\.(ts|js)$/.test(name))
  const named = files.filter(name => /cuda/i.test(readFileSync(join(root, name), 'utf8')))
  return [harness('programs', 1, native, [`--limit=${MOST_SECONDS_OF_A_TEST}`, '*cuda*']), ...named.map(tapTest)]
}

function tapTest(file) {
  const tap = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')
  const args = file.endsWith('.js')
    ? [file]
    : [tap, 'run', '--reporter=tap', '--disable-coverage', '--allow-incomplete-coverage', file]
  return async () => {
    if (isLate()) return add(file, 1, [0, 0, 1, 0])
    const { status, log, seconds } = await run(file, process.execPath, args)
    const count = key => Number(new RegExp(`^# \\{.*\\b${key}: (\\d+)`, 'm').exec(log)?.[1] ?? 0)
    const failed = count('fail')
    add(file, 1, [count('pass'), status !== 0 && failed === 0 ? 1 : failed, count('skip') + count('todo'), seconds])
  }
}

/** Programs, which tell most, and the sanitizers, which take longest, first; no more at a time than half of the processors. */
async function inParallel(tasks) {
  const queue = [...tasks]
  const worker = async () => {
    for (let task = queue.shift(); task; task = queue.shift()) await task()
  }
  await Promise.all(Array.from({ length: Math.max(1, Math.min(8, availableParallelism() >> 1)) }, worker))
}

/** What the command prints goes to the log; of it, what failed is shown. */
function run(name, command, args, mayEnd = false) {
  const start = performance.now()
  const most = 1000 * MOST_SECONDS - (options['no-build'] ? start - begin : 0)
  return new Promise(done => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    running.add(child)
    let log = ''
    let late = false
    const timer = setTimeout(() => {
      late = true
      end(child)
    }, most)
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (log += data))
    child.on('error', error => (log += `${error.message}\n`))
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      running.delete(child)
      if (late) log += `${mayEnd ? '' : 'not ok '}${name}: stopped after ${Math.round(most / 1000)} s\n`
      else if (signal) log += `not ok ${name}: killed by ${signal}\n`
      appendFileSync(join(out, 'test-cuda.log'), `== ${name}: ${command} ${args.join(' ')}\n${log}\n`)
      show(log, status)
      if (name === 'build' && status !== 0) fail('the build failed; its messages are above')
      done({ status: status ?? 1, log, late, seconds: (performance.now() - start) / 1000 })
    })
  })
}

/** With all that it has started: a sanitizer's target would go on. */
function end(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // it has ended meanwhile, or never began
  }
}

function show(log, status) {
  const bad = log.split('\n').filter(line => /^\s*not ok/.test(line) || FINDING.test(line))
  for (const line of bad.slice(0, 20)) console.log(line.slice(0, 300))
  if (status !== 0 && bad.length === 0) console.log(log.slice(-2000))
}

/** A line of the table as soon as all its shares are there: a machine may be given back before the end. */
function add(name, shares, counts) {
  const all = [...(parts.get(name) ?? []), counts]
  parts.set(name, all)
  if (all.length < shares) return
  const row = counts.map((_, i) => all.reduce((sum, one) => sum + one[i], 0))
  if (rows.length === 0) console.log(`${'part'.padEnd(40)} passed  failed  skipped  seconds`)
  const [passed, failed, skipped, seconds] = row
  const cells = [
    `${passed}`.padStart(6),
    `${failed}`.padStart(7),
    `${skipped}`.padStart(8),
    seconds.toFixed(1).padStart(8),
  ]
  console.log(`${name.padEnd(40)} ${cells.join(' ')}`)
  rows.push(row)
}

function report() {
  const [passed, failed, skipped] = [0, 1, 2].map(i => rows.reduce((sum, row) => sum + row[i], 0))
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exit(failed > 0 || passed === 0 ? 1 : 0)
}

function fail(message) {
  console.error(`test:cuda: ${message}`)
  process.exit(1)
}
