// Checks shipped binaries, the addon and the CUDA plugin beside it: no glibc symbol newer than 2.28 (what Node 20 itself needs),
// nothing undefined but glibc and (addon) Node-API, nothing exported but the entry points, size; of the plugin also for which
// GPUs it has code, and that the addon opens it.
//
//   node scripts/check-prebuild.mjs [--without-cuda] [file or folder ...]     default: the folders in prebuilds/
//
// A folder must have both. --without-cuda: the plugin may be missing, as from a machine without nvcc; no release is made so.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { pairProblem } from './cuda-pair.mjs'

const GLIBC_FLOOR = '2.28'
const LIBRARIES = /^(libc|libm|libpthread|libdl|librt|ld-linux-x86-64)\.so\.\d+$/
const ADDON = {
  file: /\.node$/,
  maxBytes: 4 * 2 ** 20,
  entryPoints: /^(napi_register_module_v\d+|node_api_module_get_api_version_v\d+)$/,
  provided: /^(napi_|node_api_)/,
}
const PLUGIN = {
  file: /^dlrm_cuda\.so$/,
  maxBytes: 10_000_000,
  entryPoints: /^dlrm_cuda_plugin$/,
  provided: /^$/,
  gpus: 'sm_80 sm_90 sm_100 and PTX of compute_100',
}

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const { values: options, positionals } = parseArgs({
  options: { 'without-cuda': { type: 'boolean', default: false } },
  allowPositionals: true,
})
const paths = positionals.length > 0 ? positionals.map(path => resolve(path)) : shipped()
if (paths.length === 0) {
  console.error('check-prebuild: nothing in prebuilds/: run npm run prebuilds')
  process.exit(1)
}
const problems = paths.flatMap(path => (statSync(path).isDirectory() ? checkFolder(path) : check(path)))
for (const problem of problems) console.error(`check-prebuild: ${problem}`)
process.exit(problems.length > 0 ? 1 : 0)

function shipped() {
  const dir = join(root, 'prebuilds')
  return existsSync(dir) ? readdirSync(dir).map(sub => join(dir, sub)) : []
}

function checkFolder(dir) {
  const [addon, plugin] = [ADDON, PLUGIN].map(kind => readdirSync(dir).find(name => kind.file.test(name)))
  const found = [addon, plugin].filter(Boolean).flatMap(name => check(join(dir, name)))
  const missing = what => `${relative(root, dir)} has no ${what}: run npm run prebuilds`
  if (!addon) found.push(missing('addon'))
  if (!plugin && !options['without-cuda']) found.push(missing('dlrm_cuda.so, the CUDA plugin (it needs nvcc)'))
  const problem = addon && plugin && pairProblem(join(dir, addon))
  return problem ? [...found, problem] : found
}

function check(file) {
  const name = relative(root, file)
  const kind = ADDON.file.test(file) ? ADDON : PLUGIN
  const found = []
  let floor = '0'
  for (const { undefinedSymbol, weak, version, symbol } of tool('objdump', '-T', file).flatMap(parseSymbol)) {
    if (!undefinedSymbol) {
      if (!kind.entryPoints.test(symbol)) found.push(`exports ${symbol}`)
    } else if (version?.startsWith('GLIBC_')) {
      const number = version.slice('GLIBC_'.length)
      if (compare(number, floor) > 0) floor = number
      if (compare(number, GLIBC_FLOOR) > 0) found.push(`needs ${symbol} of glibc ${number}`)
    } else if (version) {
      found.push(`needs ${symbol} of ${version}`)
    } else if (!weak && !kind.provided.test(symbol)) {
      found.push(`needs ${symbol}, which nothing provides`)
    }
  }
  for (const line of tool('objdump', '-p', file)) {
    const library = /^\s*NEEDED\s+(\S+)/.exec(line)?.[1]
    if (library && !LIBRARIES.test(library)) found.push(`needs the library ${library}`)
  }
  if (floor === '0') found.push('shows no glibc symbol: is it a Linux binary, and is objdump that of binutils?')
  const gpus = new Set(kind.gpus && fatBinaries(file))
  for (const some of gpus) if (some !== kind.gpus) found.push(`has code for ${some}, expected ${kind.gpus}`)
  if (kind.gpus && gpus.size === 0) found.push('has no GPU code')
  const bytes = statSync(file).size
  if (bytes > kind.maxBytes) found.push(`has ${bytes} bytes, more than ${kind.maxBytes}`)
  const facts = [
    `${(bytes / 1024).toFixed(0)} KiB`,
    `needs glibc ${floor}`,
    ...[...gpus].map(some => `code for ${some}`),
  ]
  console.log(`${name}: ${facts.join(', ')}`)
  return found.map(problem => `${name} ${problem}`)
}

/**
 * For which GPUs each fat binary, one of every .cu file, has code: what cuobjdump lists, which not every toolkit brings. A fat
 * binary is: magic, version (16 bits), size of this header (16), size of what follows (64); then entries, of kind (16: 1 PTX,
 * 2 machine code), version (16), size of their header (32), of their content (64), and 12 bytes on the architecture (32).
 * Zeros may stand between fat binaries.
 */
function fatBinaries(file) {
  const section = tool('objdump', '-h', file).find(line => line.includes(' .nv_fatbin '))
  if (!section) return []
  const [, , size, , , offset] = section
    .trim()
    .split(/\s+/)
    .map(field => Number.parseInt(field, 16))
  const bytes = readFileSync(file).subarray(offset, offset + size)
  const found = []
  for (let at = 0; at + 16 <= bytes.length; ) {
    if (bytes.readUInt32LE(at) !== 0xba55ed50) {
      at += 8
      continue
    }
    let entry = at + bytes.readUInt16LE(at + 6)
    at = entry + Number(bytes.readBigUInt64LE(at + 8))
    const codes = []
    for (; entry < at; entry += bytes.readUInt32LE(entry + 4) + Number(bytes.readBigUInt64LE(entry + 8))) {
      codes.push({ ptx: bytes.readUInt16LE(entry) === 1, gpu: bytes.readUInt32LE(entry + 28) })
    }
    codes.sort((a, b) => a.ptx - b.ptx || a.gpu - b.gpu)
    found.push(codes.map(({ ptx, gpu }) => (ptx ? `and PTX of compute_${gpu}` : `sm_${gpu}`)).join(' '))
  }
  return found
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
