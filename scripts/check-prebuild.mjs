// Checks shipped binaries: no glibc symbol newer than 2.28 (what Node 20 itself needs), nothing undefined but glibc and
// Node-API, nothing exported but the addon's entry points, size.
//
//   node scripts/check-prebuild.mjs [file.node ...]     default: everything in prebuilds/
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const GLIBC_FLOOR = '2.28'
const MAX_BYTES = 4 * 2 ** 20
const ENTRY_POINTS = /^(napi_register_module_v\d+|node_api_module_get_api_version_v\d+)$/
const LIBRARIES = /^(libc|libm|libpthread|libdl|librt|ld-linux-x86-64)\.so\.\d+$/

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const files = process.argv.length > 2 ? process.argv.slice(2) : shipped()
if (files.length === 0) {
  console.error('check-prebuild: nothing in prebuilds/: run npm run prebuilds')
  process.exit(1)
}
const problems = files.flatMap(check)
for (const problem of problems) console.error(`check-prebuild: ${problem}`)
process.exit(problems.length > 0 ? 1 : 0)

function shipped() {
  const dir = join(root, 'prebuilds')
  if (!existsSync(dir)) return []
  const all = readdirSync(dir).flatMap(sub => readdirSync(join(dir, sub)).map(name => join(dir, sub, name)))
  return all.filter(file => file.endsWith('.node'))
}

function check(file) {
  const name = relative(root, file)
  const found = []
  let floor = '0'
  for (const { undefinedSymbol, weak, version, symbol } of tool('objdump', '-T', file).flatMap(parseSymbol)) {
    if (!undefinedSymbol) {
      if (!ENTRY_POINTS.test(symbol)) found.push(`exports ${symbol}`)
    } else if (version?.startsWith('GLIBC_')) {
      const number = version.slice('GLIBC_'.length)
      if (compare(number, floor) > 0) floor = number
      if (compare(number, GLIBC_FLOOR) > 0) found.push(`needs ${symbol} of glibc ${number}`)
    } else if (version) {
      found.push(`needs ${symbol} of ${version}`)
    } else if (!weak && !/^(napi_|node_api_)/.test(symbol)) {
      found.push(`needs ${symbol}, which nothing provides`)
    }
  }
  for (const line of tool('objdump', '-p', file)) {
    const library = /^\s*NEEDED\s+(\S+)/.exec(line)?.[1]
    if (library && !LIBRARIES.test(library)) found.push(`needs the library ${library}`)
  }
  if (floor === '0') found.push('shows no glibc symbol: is it a Linux binary, and is objdump that of binutils?')
  const bytes = statSync(file).size
  if (bytes > MAX_BYTES) found.push(`has ${bytes} bytes, more than ${MAX_BYTES}`)
  console.log(`${name}: ${(bytes / 1024).toFixed(0)} KiB, needs glibc ${floor}`)
  return found.map(problem => `${name} ${problem}`)
}

/**
 * A line of objdump -T is: address, 7 flag letters, section, size, version (in brackets when not the default one), symbol.
 * Weak references (__gmon_start__, _ITM_*, of the start files) may stay unresolved.
 */
function parseSymbol(line) {
  const match = /^[0-9a-f]{16} (.{7}) (.*)$/.exec(line)
  if (!match) return []
  const fields = match[2].split(/\s+/)
  const version = fields.length > 3 ? fields[2].replace(/[()]/g, '') : undefined
  return {
    undefinedSymbol: fields[0] === '*UND*',
    weak: match[1].includes('w'),
    version: version === 'Base' ? undefined : version,
    symbol: fields.at(-1),
  }
}

function tool(command, ...args) {
  return execFileSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 }).split('\n')
}

function compare(a, b) {
  const [x, y] = [a, b].map(version => version.split('.').map(Number))
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
