// `npm test`: builds the addon and the native tests, runs both test suites, ends with `N passed, N failed, N skipped`.
//
//   npm test                         everything
//   npm test -- test/a.test.ts ...   these TypeScript test files only (on the addon as it is built now)
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const files = process.argv.slice(2)
const totals = { passed: 0, failed: 0, skipped: 0 }

if (files.length === 0) {
  if (run(process.execPath, ['scripts/build-native.mjs', '--tests']).status !== 0) process.exit(1)
  add('native tests', runNative())
}
add('TypeScript tests', runTap())
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exit(totals.failed > 0 || totals.passed === 0 ? 1 : 0)

/** A suite that dies, or exits with failure without naming one, counts as one failure. */
function add(suite, { status, counts }) {
  if (!counts) console.log(`${suite} ended without a summary (exit status ${status})`)
  const result = counts ?? { passed: 0, failed: 1, skipped: 0 }
  if (status !== 0 && result.failed === 0) result.failed = 1
  for (const key of Object.keys(totals)) totals[key] += result[key]
  console.log(`${suite}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped\n`)
}

function runNative() {
  const { status, stdout } = run(join(root, 'build', 'cmake', 'dlrm_native_test'), [], 'pipe')
  process.stdout.write(stdout)
  const match = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(stdout.trimEnd().split('\n').at(-1))
  return { status, counts: match && { passed: +match[1], failed: +match[2], skipped: +match[3] } }
}

function runTap() {
  const tapFile = join(root, 'build', 'test.tap')
  mkdirSync(dirname(tapFile), { recursive: true })
  rmSync(tapFile, { force: true })
  const tap = join(dirname(createRequire(import.meta.url).resolve('tap/package.json')), 'dist', 'esm', 'run.mjs')
  const reporter = process.stdout.isTTY ? 'base' : 'min'
  const { status } = run(process.execPath, [tap, 'run', `--reporter=${reporter}`, `--output-file=${tapFile}`, ...files])
  const output = readTap(tapFile)
  for (const line of output.match(/^ *ok .* # SKIP.*$/gm) ?? []) console.log(line.trim())
  return { status, counts: tapSummary(output) }
}

function readTap(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** tap ends its stream with a comment like `# { total: 10, pass: 8, fail: 1, skip: 1 }`; absent keys are zero. */
function tapSummary(output) {
  const summary = /^# \{ (total: .*) \}$/m.exec(output)?.[1]
  if (!summary) return undefined
  const count = key => Number(new RegExp(`\\b${key}: (\\d+)`).exec(summary)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail'), skipped: count('skip') + count('todo') }
}

function run(command, args, stdout = 'inherit') {
  const options = { cwd: root, stdio: ['ignore', stdout, 'inherit'], encoding: 'utf8', maxBuffer: 2 ** 28 }
  const result = spawnSync(command, args, options)
  if (result.error) console.error(`${command}: ${result.error.message}`)
  if (result.signal) console.error(`${command}: killed by ${result.signal}`)
  return { status: result.status ?? 1, stdout: result.stdout ?? '' }
}
