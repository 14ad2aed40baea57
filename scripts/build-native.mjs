// Builds build/Release/dlrm.node with CMake: through cmake-js where it is installed, else with plain cmake.
//
//   node scripts/build-native.mjs [--install] [--werror] [--tests] [--core-only] [--cuda] [--build-dir=build/cmake] [-DNAME=VALUE ...]
//
//   --install    what npm runs in a user's project: does nothing when a shipped binary loads
//   --werror     warnings are errors; kept in the build folder's cache until it is removed
//   --tests      also builds dlrm_native_test in the build folder; kept likewise
//   --core-only  no addon, so Node's headers are not needed (sanitizers, emulation)
//   --cuda       instead of all this the plugin build/Release/dlrm_cuda.so, in build/cuda; needs nvcc
//   DLRM_CMAKE_ARGS  more -DNAME=VALUE, separated by spaces, for builds started by node-gyp
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const require = createRequire(join(root, 'package.json'))

const { values: options } = parseArgs({
  options: {
    install: { type: 'boolean', default: false },
    werror: { type: 'boolean', default: false },
    tests: { type: 'boolean', default: false },
    'core-only': { type: 'boolean', default: false },
    cuda: { type: 'boolean', default: false },
    'build-dir': { type: 'string' },
    define: { type: 'string', short: 'D', multiple: true, default: [] },
  },
})

const isCheckout = existsSync(join(root, '.git'))
if (options.install && !isCheckout && shippedBinaryLoads()) process.exit(0)
requireTools()

const buildDir = resolve(root, options['build-dir'] ?? (options.cuda ? 'build/cuda' : 'build/cmake'))
const defines = [
  ...options.define,
  ...(process.env.DLRM_CMAKE_ARGS ?? '')
    .split(/\s+/)
    .filter(Boolean)
    .map(arg => arg.replace(/^-D/, '')),
]
if (options.werror) defines.push('DLRM_WERROR=ON')
if (options.tests) defines.push('DLRM_NATIVE_TESTS=ON')
const addon = !options['core-only'] && !options.cuda
if (!addon) defines.push('DLRM_ADDON=OFF')
if (options.cuda) defines.push('DLRM_CUDA=ON')
if (addon || options.cuda) defines.push(`CMAKE_LIBRARY_OUTPUT_DIRECTORY=${join(root, 'build', 'Release')}`)

const cmakeJs = addon ? findCmakeJs() : undefined
if (!configure()) {
  // A folder configured with another generator or compiler, or moved, cannot be configured again: start it afresh, once.
  if (!existsSync(join(buildDir, 'CMakeCache.txt'))) fail('CMake could not configure the build; its message is above.')
  rmSync(buildDir, { recursive: true, force: true })
  if (!configure()) fail('CMake could not configure the build; its message is above.')
}
const jobs = process.env.CMAKE_BUILD_PARALLEL_LEVEL ?? String(availableParallelism())
const target = options.cuda ? ['--target', 'dlrm_cuda'] : []
if (!run('cmake', ['--build', buildDir, '--config', 'Release', '--parallel', jobs, ...target])) {
  fail('The native build failed; the compiler messages are above.')
}

function configure() {
  if (cmakeJs) {
    const own = ['--log-level', 'warn', '--directory', root, '--out', buildDir]
    return run(process.execPath, [cmakeJs, 'configure', ...own, ...defines.map(d => `--CD${d}`)])
  }
  const args = ['-S', root, '-B', buildDir, '-DCMAKE_BUILD_TYPE=Release', ...defines.map(d => `-D${d}`)]
  return run('cmake', args)
}

function findCmakeJs() {
  try {
    return join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js')
  } catch {
    return undefined
  }
}

function shippedBinaryLoads() {
  const check = "require('node-gyp-build')(process.cwd())"
  return spawnSync(process.execPath, ['-e', check], { cwd: root, stdio: 'ignore' }).status === 0
}

function requireTools() {
  const onPath = name => (process.env.PATH ?? '').split(delimiter).some(dir => existsSync(join(dir, name)))
  const missing = []
  if (!onPath('cmake')) missing.push('CMake 3.15 or newer')
  if (!process.env.CXX && !['c++', 'g++', 'clang++'].some(onPath)) missing.push('a C++17 compiler (g++ or clang++)')
  else if (!['ninja', 'make'].some(onPath)) missing.push('make or ninja')
  if (options.cuda && !process.env.CUDACXX && !onPath('nvcc'))
    missing.push('nvcc (CUDA 12.8 or newer) in PATH or in CUDACXX')
  if (process.platform === 'win32' || missing.length === 0) return
  if (options.cuda) fail(`The CUDA plugin needs ${missing.join(' and ')}.`)
  fail(
    `No binary is shipped for ${process.platform}-${process.arch}, and building one needs ${missing.join(' and ')}.\n` +
      'Possible solutions:\n' +
      '  Debian, Ubuntu:  sudo apt-get install cmake g++ make\n' +
      '  Fedora, RHEL:    sudo dnf install cmake gcc-c++ make\n' +
      '  Alpine:          apk add cmake g++ make\n' +
      '  macOS:           xcode-select --install && brew install cmake\n' +
      'then run npm install again.',
  )
}

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (result.error) fail(`${command}: ${result.error.message}`)
  return result.status === 0
}

function fail(message) {
  console.error(`\ndlrm: ${message}`)
  process.exit(1)
}
