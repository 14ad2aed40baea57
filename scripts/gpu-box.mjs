// Packs all that tests and benchmark need into one folder that a bare GPU machine runs in one call: no network, no Node, no
// compiler there, only a shell, xz and a driver.
//
//   node scripts/gpu-box.mjs [--no-build] [--to=build/gpu-box]
//   then, there:  OUT=<folder for logs> <the folder>/run.sh        (scripts/gpu-box/run.mjs: what it runs, its options)
//   and here, on the emulator:  env -i build/gpu-box/run.sh --emulated
//
// The folder: node.xz (this Node), build/ (addon, plugins, native tests), lib/ bench/ test/ (compiled), dist/, node_modules/ (the
// packages that these load), scripts/. The machine there must have x86-64 and a glibc no older than this one's.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { pairProblem } from './cuda-pair.mjs'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const { values: options } = parseArgs({
  options: { 'no-build': { type: 'boolean', default: false }, to: { type: 'string', default: 'build/gpu-box' } },
})
const box = resolve(root, options.to)
const node = process.execPath
// What a lent machine takes with one call, in all.
const MOST_BYTES = 60 * 2 ** 20

if (!options['no-build']) {
  run(node, ['scripts/build-native.mjs', '--tests'])
  run('npm', ['run', '--silent', 'build:cuda'])
  run('npm', ['run', '--silent', 'build:ts'])
}
rmSync(box, { recursive: true, force: true })
mkdirSync(box, { recursive: true })
packNode()
packNative()
packScripts()
packPackages()
const bytes = sizeOf(box)
console.log(`${relative(root, box)}: ${(bytes / 2 ** 20).toFixed(1)} MiB; run it with run.sh`)
if (bytes > MOST_BYTES) fail(`more than ${MOST_BYTES / 2 ** 20} MiB`)

function packNode() {
  const kept = join(root, 'build', `node-${process.version}-${process.arch}.xz`)
  if (!existsSync(kept)) {
    const stripped = join(root, 'build', 'node-stripped')
    if (spawnSync('strip', ['-o', stripped, node], { stdio: 'ignore' }).status !== 0) copyFileSync(node, stripped)
    run('sh', ['-c', `xz -6 -T0 -c '${stripped}' > '${kept}.part' && mv '${kept}.part' '${kept}'`])
    rmSync(stripped)
  }
  copyFileSync(kept, join(box, 'node.xz'))
}

function packNative() {
  const files = ['Release/dlrm.node', 'Release/dlrm_cuda.so', 'cmake/dlrm_native_test', 'cmake/dlrm_cuda_emulated.so']
  for (const file of files) {
    const from = join(root, 'build', file)
    const to = join(box, 'build', file)
    if (!existsSync(from)) fail(`no build/${file}: leave out --no-build`)
    mkdirSync(dirname(to), { recursive: true })
    if (spawnSync('strip', ['--strip-debug', '-o', to, from], { stdio: 'ignore' }).status !== 0) copyFileSync(from, to)
    chmodSync(to, 0o755)
  }
  checkVersions()
}

/** A chance on a GPU is not to be spent on finding out that addon and plugin are of different sources. */
function checkVersions() {
  const problem = pairProblem(join(box, 'build', 'Release', 'dlrm.node'))
  if (problem) fail(problem)
}

function packScripts() {
  run(node, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '--noEmit',
    'false',
    '--outDir',
    box,
    '--rootDir',
    '.',
  ])
  cpSync(join(root, 'test'), join(box, 'test'), { recursive: true, filter: from => !/\.(ts|py)$/.test(from) })
  for (const path of ['dist', 'package.json', 'scripts/test-cuda.mjs', 'scripts/gpu-box']) {
    if (!existsSync(join(root, path))) fail(`no ${path}: leave out --no-build`)
    cpSync(join(root, path), join(box, path), { recursive: true })
  }
  copyFileSync(join(root, 'scripts', 'gpu-box', 'run.sh'), join(box, 'run.sh'))
  chmodSync(join(box, 'run.sh'), 0o755)
}

/** Whole packages, of those that a test with tap and the dependencies of dist/ load. */
function packPackages() {
  const trace = join(root, 'build', 'gpu-box-trace')
  rmSync(trace, { recursive: true, force: true })
  mkdirSync(trace, { recursive: true })
  const probe = join(trace, 'probe.mjs')
  writeFileSync(
    probe,
    `import t from 'tap'
     t.test('all that a test may use', async t => {
       t.same(t.testdir({ a: 'b' }) && { a: 1 }, { a: 2 }, 'a difference, which is printed')
       await t.rejects(Promise.reject(new Error('x')), /x/)
     })`,
  )
  const covered = join(trace, 'covered')
  spawnSync(node, [probe], { cwd: root, stdio: 'ignore', env: { ...process.env, NODE_V8_COVERAGE: covered } })
  const packages = new Set()
  for (const file of readdirSync(covered))
    for (const { url } of JSON.parse(readFileSync(join(covered, file), 'utf8')).result) add(packages, url)
  if (![...packages].some(path => path.endsWith('tap'))) fail('tap does not run here')
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies))
    if (!/^node-(addon-api|api-headers)$/.test(name)) addWithDependencies(packages, name, root)
  const filter = from =>
    !/(\.d\.[cm]?ts|\.map|\.md)$/.test(from) && !relative(root, from).split(sep).slice(1).includes('src')
  for (const path of packages)
    cpSync(path, join(box, relative(root, path)), {
      recursive: true,
      filter: from => filter(from) && !isNested(path, from),
    })
  rmSync(trace, { recursive: true })
}

function add(packages, url) {
  const match = /^file:\/\/(\/.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(decodeURI(url))
  if (match?.[1].startsWith(root)) packages.add(match[1])
}

function addWithDependencies(packages, name, from) {
  const require = createRequire(join(from, 'package.json'))
  const path = require.resolve
    .paths(name)
    .map(dir => join(dir, name))
    .find(dir => existsSync(join(dir, 'package.json')))
  if (!path) fail(`no package ${name}: run npm ci`)
  if (packages.has(path)) return
  packages.add(path)
  const { dependencies = {} } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
  for (const dependency of Object.keys(dependencies)) addWithDependencies(packages, dependency, path)
}

/** A package's own packages are listed themselves, if they are needed. */
function isNested(path, from) {
  return relative(path, from).split(sep)[0] === 'node_modules'
}

function sizeOf(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.size
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) fail(`${command} ${args[0]}: ${error?.message ?? 'failed'}`)
}

function fail(message) {
  console.error(`gpu-box: ${message}`)
  process.exit(1)
}
