// `npm run test:sanitize`: the native tests under AddressSanitizer with UndefinedBehaviorSanitizer, the CUDA kernels in their
// emulator among them, then under ThreadSanitizer those that have threads. Each in as many processes as there are cores.
//
//   npm run test:sanitize -- [--only=address|thread] [part of a name ...]
//   CXX  the compiler, g++ or clang++ (either works)
//
// What is not `ok` is shown, everything is in build/sanitize-*/test-*.log; ends with `N passed, N failed, N skipped`.
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const { values: options, positionals: parts } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' } },
})
// ThreadSanitizer of older compilers cannot place its shadow memory under the address randomisation of newer kernels.
const fixedAddresses = spawnSync('setarch', ['-R', 'true'], { stdio: 'ignore' }).status === 0 ? ['setarch', '-R'] : []
const cores = availableParallelism()
// Tests of threads have three of them.
const RUNS = [
  { name: 'address', sanitizers: 'address,undefined', processes: cores, before: [] },
  { name: 'thread', sanitizers: 'thread', processes: Math.max(1, cores >> 1), before: fixedAddresses },
]
const env = {
  ...process.env,
  ASAN_OPTIONS: 'detect_leaks=1:strict_init_order=1:detect_stack_use_after_return=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'second_deadlock_stack=1',
}

const runs = RUNS.filter(({ name }) => options.only === undefined || options.only === name)
if (runs.length === 0) fail(`--only: address or thread, not ${options.only}`)
const total = { passed: 0, failed: 0, skipped: 0 }
for (const run of runs) await sanitize(run)
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0)

async function sanitize({ name, sanitizers, processes, before }) {
  const dir = `build/sanitize-${name}`
  const build = ['scripts/build-native.mjs', '--core-only', '--tests', `--build-dir=${dir}`]
  if (spawnSync(process.execPath, [...build, `-DDLRM_SANITIZE=${sanitizers}`], { cwd: root, stdio: 'inherit' }).status)
    fail('the build failed; its messages are above')
  const start = performance.now()
  const shares = await Promise.all(
    Array.from({ length: processes }, (_, i) => {
      const command = [...before, join(root, dir, 'dlrm_native_test'), `--share=${i}/${processes}`, ...parts]
      return test(command, join(root, dir, `test-${i}.log`))
    }),
  )
  const counts = [0, 1, 2].map(i => shares.reduce((sum, share) => sum + share[i], 0))
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  console.log(`${sanitizers}: ${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped, ${seconds} s\n`)
  for (const [i, key] of Object.keys(total).entries()) total[key] += counts[i]
}

/** AddressSanitizer ends the process at its first finding, ThreadSanitizer goes on; either makes it fail. */
function test([command, ...args], file) {
  return new Promise(done => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (log += data))
    child.on('error', error => (log += `${error.message}\n`))
    child.on('close', status => {
      writeFileSync(file, log)
      const odd = log.split('\n').filter(line => !/^(ok |# |\d+ passed|$)/.test(line))
      if (odd.length > 0) console.log(odd.slice(0, 100).join('\n'))
      const [passed, failed, skipped] = ['ok', 'not ok', 'skip'].map(
        outcome => log.split('\n').filter(line => line.startsWith(`${outcome} `)).length,
      )
      done([passed, status !== 0 && failed === 0 ? 1 : failed, skipped])
    })
  })
}

function fail(message) {
  console.error(`test:sanitize: ${message}`)
  process.exit(1)
}
