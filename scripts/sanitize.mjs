// `npm run test:sanitize`: the native tests under AddressSanitizer with UndefinedBehaviorSanitizer, then under ThreadSanitizer.
//
//   npm run test:sanitize -- [argument of dlrm_native_test ...]
//   CXX  the compiler, g++ or clang++ (either works)
import { spawnSync } from 'node:child_process'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const RUNS = [
  { name: 'address', sanitizers: 'address,undefined' },
  { name: 'thread', sanitizers: 'thread' },
]
const env = {
  ...process.env,
  ASAN_OPTIONS: 'detect_leaks=1:strict_init_order=1:detect_stack_use_after_return=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'second_deadlock_stack=1',
}

let failures = 0
for (const { name, sanitizers } of RUNS) {
  const dir = `build/sanitize-${name}`
  const build = ['scripts/build-native.mjs', '--core-only', '--tests', `--build-dir=${dir}`]
  run(process.execPath, [...build, `-DDLRM_SANITIZE=${sanitizers}`]) || process.exit(1)
  const program = [join(root, dir, 'dlrm_native_test'), ...process.argv.slice(2)]
  // ThreadSanitizer of older compilers cannot place its shadow memory under the address randomisation of newer kernels.
  const [command, ...args] = name === 'thread' && fixedAddresses() ? ['setarch', '-R', ...program] : program
  const passed = run(command, args)
  console.log(`${sanitizers}: ${passed ? 'clean' : 'FAILED'}\n`)
  if (!passed) failures++
}
process.exit(failures > 0 ? 1 : 0)

function fixedAddresses() {
  return spawnSync('setarch', ['-R', 'true'], { stdio: 'ignore' }).status === 0
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env })
  if (result.error) console.error(`${command}: ${result.error.message}`)
  return result.status === 0
}
