// `npm run test:cuda`: all that needs a GPU. The native harness on the device variants, a share of it again under
// compute-sanitizer's memcheck and racecheck where that tool is found, and the TypeScript tests that name cuda.
//
//   npm run test:cuda -- [--no-build] [--emulated] [--share=N] [op ...]
//
//   --no-build   what is built is tested (so in the folder that scripts/gpu-box.mjs makes)
//   --emulated   on the emulator instead of a GPU: does this script work?
//   --share=N    the sanitizers get one of N native tests; default 12
//   op           native tests of these ops only, no others
//   OUT          folder for the log, test-cuda.log; default build/test-cuda
//
// Ends with a table and `N passed, N failed, N skipped`; fails without a device.
import { spawnSync } from 'node:child_process'
import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const { values: options, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: {
    'no-build': { type: 'boolean', default: false },
    emulated: { type: 'boolean', default: false },
    share: { type: 'string', default: '12' },
  },
})
const out = resolve(process.env.OUT || join(root, 'build', 'test-cuda'))
const native = join(root, 'build', 'cmake', 'dlrm_native_test')
const plugin = options.emulated
  ? join(root, 'build', 'cmake', 'dlrm_cuda_emulated.so')
  : join(root, 'build', 'Release', 'dlrm_cuda.so')
const env = { ...process.env, DLRM_CUDA_PLUGIN: plugin }
const MOST_MILLISECONDS = 300_000 // of one part: kernels can hang
const TOOL_FOLDERS = ['/usr/local/cuda/bin', '/usr/local/cuda/compute-sanitizer', '/opt/cuda/bin']

const rows = []
mkdirSync(out, { recursive: true })
rmSync(join(out, 'test-cuda.log'), { force: true })
if (!options['no-build']) build()
for (const file of [native, plugin]) if (!existsSync(file)) fail(`no ${relative(root, file)}: leave out --no-build`)
const ops = wanted.length > 0 ? wanted : opsWithKernels()
const RULES = ['variants', 'repeated', 'omitted']
const testsOf = op => RULES.map(rule => `${op}/*/${rule}`)
for (const op of ops) nativeTests(op, native, testsOf(op))
sanitizers()
if (wanted.length === 0) {
  nativeTests('native tests of cuda', native, ['*cuda*'])
  for (const file of tapFiles()) tapTest(file)
}
report()

function build() {
  run('build', process.execPath, ['scripts/build-native.mjs', '--tests'])
  if (!options.emulated) run('build', 'npm', ['run', '--silent', 'build:cuda'])
}

/** The rule `repeated` is for them alone. */
function opsWithKernels() {
  const { log } = run('repeated', native, ['*/repeated'], env)
  const ops = new Set([...log.matchAll(/^(?:not )?ok ([^/]+)\//gm)].map(match => match[1]))
  if (ops.size === 0) fail('the native tests found no device: see above')
  return [...ops]
}

function nativeTests(name, command, args) {
  const { status, log, seconds } = run(name.replaceAll(' ', '-'), command, args, env)
  const match = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(log)
  const counts = match ? match.slice(1).map(Number) : [0, 1, 0]
  if (status !== 0 && counts[1] === 0) counts[1] = 1
  if (counts.some(Boolean)) add(name, ...counts, seconds)
}

function sanitizers() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...TOOL_FOLDERS]
  const tool = folders.map(folder => join(folder, 'compute-sanitizer')).find(existsSync)
  for (const check of ['memcheck', 'racecheck']) {
    if (tool && !options.emulated) {
      const args = [
        '--tool',
        check,
        '--error-exitcode',
        '9',
        '--print-limit',
        '20',
        native,
        `--share=0/${options.share}`,
        ...ops.flatMap(testsOf),
      ]
      nativeTests(check, tool, args)
    } else {
      add(tool ? `${check} (no GPU)` : `${check} (no compute-sanitizer)`, 0, 0, 1, 0)
    }
  }
}

/** Those that name cuda: TypeScript in a checkout, compiled beside it in the box. */
function tapFiles() {
  const names = readdirSync(join(root, 'test'), { recursive: true }).map(String)
  return names.filter(name => /cuda[^/]*\.test\.(ts|js)$/.test(name)).map(name => join('test', name))
}

function tapTest(file) {
  const tap = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')
  const args = file.endsWith('.js')
    ? [file]
    : [tap, 'run', '--reporter=tap', '--disable-coverage', '--allow-incomplete-coverage', file]
  const { status, log, seconds } = run(file.replaceAll('/', '-'), process.execPath, args, env)
  const count = key => Number(new RegExp(`^# \\{.*\\b${key}: (\\d+)`, 'm').exec(log)?.[1] ?? 0)
  const failed = count('fail')
  add(file, count('pass'), status !== 0 && failed === 0 ? 1 : failed, count('skip') + count('todo'), seconds)
}

/** What the command prints goes to the log; of it, what failed is shown. */
function run(name, command, args, environment = process.env) {
  const path = join(out, `${name}.part`)
  const file = openSync(path, 'w')
  const start = performance.now()
  const { status, signal, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', file, file],
    env: environment,
    timeout: MOST_MILLISECONDS,
    killSignal: 'SIGKILL',
  })
  closeSync(file)
  const log = readFileSync(path, 'utf8')
  appendFileSync(join(out, 'test-cuda.log'), `== ${name}: ${command} ${args.join(' ')}\n${log}\n`)
  rmSync(path)
  if (error || signal) console.log(`${name}: ${error?.message ?? `killed by ${signal}`}`)
  const bad = log.split('\n').filter(line => /^\s*not ok|^=========.*(Error|hazard|Invalid|error)/i.test(line))
  for (const line of bad.slice(0, 20)) console.log(line.slice(0, 300))
  if (status !== 0 && bad.length === 0) console.log(log.slice(-2000))
  if (name === 'build' && status !== 0) fail('the build failed; its messages are above')
  return { status: status ?? 1, log, seconds: (performance.now() - start) / 1000 }
}

/** A line of the table, at once: a machine may be given back before the end. */
function add(name, passed, failed, skipped, seconds) {
  if (rows.length === 0) console.log(`${'part'.padEnd(36)} passed  failed  skipped  seconds`)
  const cells = [
    `${passed}`.padStart(6),
    `${failed}`.padStart(7),
    `${skipped}`.padStart(8),
    seconds.toFixed(1).padStart(8),
  ]
  console.log(`${name.padEnd(36)} ${cells.join(' ')}`)
  rows.push([passed, failed, skipped])
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
