import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const root = fileURLToPath(new URL('..', import.meta.url))
const { files: packed } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] }
const addon = join(root, 'build', 'Release', 'dlrm.node')
// Stands for the CUDA plugin, which needs nvcc.
const emulated = join(root, 'build', 'cmake', 'dlrm_cuda_emulated.so')
const withoutEmulated = {
  skip: existsSync(emulated) ? false : 'node scripts/build-native.mjs --tests makes what it needs',
}
const npmCli = realpathSync(findOnPath('npm'))

// npm 12 blocks the scripts of dependencies unless told otherwise; older ones do not know the option.
const ALLOW_SCRIPTS = '--dangerously-allow-all-scripts'

/** What a user's first script does: a model, a few steps on one batch, a prediction. */
const TRAIN = `
async function train({ DLRM, SGD }) {
  const model = new DLRM({ dense: 2, tables: [5, 3], embeddingDim: 4, bottom: [8], top: [8], seed: 1 })
  await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 4 })
  const table = (...ids) => ({ offsets: Int32Array.of(0, 1, 2, 3, 4), indices: Int32Array.from(ids) })
  const batch = { size: 4, dense: Float32Array.of(0, 1, 1, 0, 1, 1, 0, 0), tables: [table(0, 1, 2, 4), table(2, 1, 0, 1)],
    labels: Float32Array.of(0, 1, 0, 1) }
  const losses = []
  for (let i = 0; i < 200; i++) losses.push(await model.step(batch))
  const p = await model.predict(batch)
  console.log(JSON.stringify({ first: losses[0], last: losses.at(-1), p: Array.from(p) }))
}
`

t.test('the packed package', async t => {
  // Outside the checkout, whose node_modules would hide a missing dependency.
  const dir = mkdtempSync(join(tmpdir(), 'dlrm-package-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const bare = pathWithoutCompiler(dir)
  const withBinary = pack(join(dir, 'shipped'), true)
  const sourceOnly = pack(join(dir, 'source'), false)

  await t.test('carries what a source build needs, and no tests', async t => {
    const listed = run('tar', ['-tzf', withBinary], dir).stdout.split('\n')
    const inPackage = new Set(listed.map(name => name.replace(/^package\//, '')))
    for (const source of filesUnder(join(root, 'native')).map(file => relative(root, file))) {
      t.equal(inPackage.has(source), !source.startsWith(join('native', 'test')), source)
    }
    for (const name of ['CMakeLists.txt', 'binding.gyp', 'scripts/build-native.mjs', 'LICENSE', 'dist/index.d.ts']) {
      t.ok(inPackage.has(name), name)
    }
    t.notOk(
      listed.some(name => /^package\/(test|bench|lib|build|node_modules|\.ci)\//.test(name)),
      'sources of the checkout only',
    )
  })

  for (const [kind, flags] of [
    ['with install scripts', [ALLOW_SCRIPTS]],
    ['with install scripts blocked', ['--ignore-scripts']],
  ] as const) {
    await t.test(`installs ${kind}, with no compiler, and trains`, async t => {
      const app = join(dir, kind.replaceAll(' ', '-'))
      const installed = npmInstall(app, withBinary, flags, bare)
      if (offline(installed)) return skipOffline(t)
      t.equal(installed.status, 0, installed.output)
      t.notOk(existsSync(join(app, 'node_modules', 'dlrm', 'build')), 'nothing was built')
      writeFileSync(join(app, 'esm.mjs'), `import * as dlrm from 'dlrm'\n${TRAIN}\nawait train(dlrm)\n`)
      writeFileSync(join(app, 'common.cjs'), `${TRAIN}\ntrain(require('dlrm'))\n`)
      const outputs = ['esm.mjs', 'common.cjs'].map(script => {
        const { status, output, stdout } = run(process.execPath, ['--no-warnings', script], app, bare)
        t.equal(status, 0, output)
        return stdout
      })
      t.equal(outputs[0], outputs[1], 'import and require give the same bits')
      const { first, last, p } = JSON.parse(outputs[0])
      t.ok(last < first / 2, `loss ${first} -> ${last}`)
      t.same(p.map(Math.round), [0, 1, 0, 1])
    })
  }

  await t.test('finds the CUDA plugin in it, and opens it on first use only', withoutEmulated, async t => {
    const app = join(dir, 'with-install-scripts-blocked')
    if (process.platform !== 'linux') return t.skip('needs /proc', () => {})
    if (!existsSync(join(app, 'node_modules', 'dlrm'))) return skipOffline(t)
    writeFileSync(
      join(app, 'cuda.mjs'),
      `import { readFileSync } from 'node:fs'
import { cuda, DLRM } from 'dlrm'
const isOpen = () => readFileSync('/proc/self/maps', 'utf8').includes('dlrm_cuda.so')
const batch = { size: 1, dense: new Float32Array(1), tables: [{ offsets: Int32Array.of(0, 1), indices: Int32Array.of(2) }] }
await new DLRM({ dense: 1, tables: [3], embeddingDim: 4 }).predict(batch)
const before = isOpen()
const { available, plugin } = cuda()
console.log(JSON.stringify({ before, after: isOpen(), available, plugin }))
`,
    )
    const { stdout, output } = run(process.execPath, ['--no-warnings', 'cuda.mjs'], app, bare)
    const plugin = join(app, 'node_modules/dlrm/prebuilds', `${process.platform}-${process.arch}`, 'dlrm_cuda.so')
    t.same(JSON.parse(stdout || '{}'), { before: false, after: true, available: true, plugin }, output)
  })

  await t.test('its types compile in a strict TypeScript project', async t => {
    const app = join(dir, 'with-install-scripts-blocked')
    if (!existsSync(join(app, 'node_modules', 'dlrm'))) return skipOffline(t)
    writeFileSync(
      join(app, 'user.ts'),
      `import { DLRM, DlrmError, SGD } from 'dlrm'
const model: DLRM = new DLRM({ dense: 1, tables: [3], embeddingDim: 4 })
await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 1 })
const p: Float32Array = await model.predict({ size: 1, dense: new Float32Array(1), tables: [] })
console.log(p, DlrmError)
// @ts-expect-error a wrong option name is refused
new DLRM({ dense: 1, tables: [3], embeddingDims: 4 })
`,
    )
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
    const typeRoots = ['--typeRoots', join(root, 'node_modules', '@types')]
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    writeFileSync(join(app, 'package.json'), '{"type":"module"}')
    const { status, output } = run(process.execPath, [tsc, ...options, ...typeRoots, 'user.ts'], app)
    t.equal(status, 0, output)
  })

  await t.test('without a binary and a compiler, installing says what to do', async t => {
    const installed = npmInstall(join(dir, 'fails'), sourceOnly, [ALLOW_SCRIPTS], bare)
    if (offline(installed)) return skipOffline(t)
    t.not(installed.status, 0)
    t.match(installed.output, /needs CMake 3\.15 or newer and a C\+\+17 compiler/)
    t.match(installed.output, /Possible solutions:/)
  })

  await t.test('without a binary and with install scripts blocked, importing says what to do', async t => {
    const app = join(dir, 'blocked')
    const installed = npmInstall(app, sourceOnly, ['--ignore-scripts'], bare)
    if (offline(installed)) return skipOffline(t)
    t.equal(installed.status, 0, installed.output)
    const script = `import('dlrm').then(() => console.log('loaded'), e => console.log(e.name, e.code, e.message))`
    const { stdout } = run(process.execPath, ['-e', script], app, bare)
    t.match(stdout, /^DlrmError ERR_NATIVE The native part of dlrm could not be loaded/)
    t.match(stdout, /Possible solutions:/)
    const command = /build in place: node (\S+)/.exec(stdout)?.[1] ?? ''
    t.ok(existsSync(command), `${command} exists`)
  })
})

t.test('check-prebuild', async t => {
  if (process.platform !== 'linux' || run('objdump', ['--version'], root).status !== 0)
    return t.skip('needs objdump', () => {})
  const check = (...args: string[]) => run(process.execPath, ['scripts/check-prebuild.mjs', ...args], root)

  await t.test('refuses a binary that needs the libraries of the machine it was linked on', async t => {
    const { status, output } = check(addon)
    t.equal(status, 1)
    t.match(output, /needs the library libstdc\+\+\.so\.6/)
    t.match(output, /needs \S+ of GLIBCXX_/)
    t.notMatch(output, /exports|which nothing provides|GPU/)
  })

  await t.test('wants both the addon and the plugin in a folder, unless told otherwise', async t => {
    const dir = t.testdir()
    t.match(check(dir), { status: 1, output: /has no addon: .*\n.*has no dlrm_cuda\.so/ })
    cpSync(addon, join(dir, 'dlrm.node'))
    t.match(check(dir), { status: 1, output: /has no dlrm_cuda\.so.*npm run prebuilds/ })
    t.notMatch(check('--without-cuda', dir).output, /has no/)
  })

  await t.test(
    'wants of the plugin one symbol, code for every GPU, the version of the addon',
    withoutEmulated,
    async t => {
      const dir = t.testdir()
      const plugin = join(dir, 'dlrm_cuda.so')
      cpSync(addon, join(dir, 'dlrm.node'))
      const checkWith = (...binaries: Buffer[]) => {
        writeFileSync(join(dir, 'gpu'), Buffer.concat(binaries))
        const section = ['--add-section', `.nv_fatbin=${join(dir, 'gpu')}`]
        t.equal(run('objcopy', [...section, emulated, plugin], dir).status, 0)
        return check(dir).output
      }
      cpSync(emulated, plugin)
      const { status, output } = check(dir)
      t.equal(status, 1)
      t.match(output, /dlrm_cuda\.so exports _ZNSt/, 'which the real one hides')
      t.match(output, /dlrm_cuda\.so has no GPU code/)
      t.notMatch(output, /exports dlrm_cuda_plugin|another version/)

      const whole = [...[80, 90, 100].map(gpu => code('machine', gpu)), code('ptx', 100)]
      const padding = Buffer.alloc(24)
      const right = checkWith(fatBinary(...whole), padding, fatBinary(...whole))
      t.match(right, /code for sm_80 sm_90 sm_100 and PTX of compute_100\n/)
      t.notMatch(right, /expected|no GPU code/)
      const wrong = checkWith(fatBinary(...whole), fatBinary(...whole.filter((_, i) => i !== 1)))
      t.match(
        wrong,
        /has code for sm_80 sm_100 and PTX of compute_100, expected sm_80 sm_90 sm_100 and PTX of compute_100/,
      )

      const abi = /"([0-9a-f]{64})"/.exec(readFileSync(join(root, 'build/cmake/generated/cuda_abi.h'), 'utf8'))![1]!
      const bytes = readFileSync(emulated)
      bytes.fill('0', bytes.indexOf(abi), bytes.indexOf(abi) + abi.length)
      writeFileSync(plugin, bytes)
      t.match(check(dir), { status: 1, output: /dlrm_cuda\.so is of another version \(000000000000\)/ })
    },
  )
})

/** As nvcc writes it, with eight bytes of code (scripts/check-prebuild.mjs). */
function code(kind: 'machine' | 'ptx', gpu: number): Buffer {
  const entry = Buffer.alloc(64 + 8)
  entry.writeUInt16LE(kind === 'ptx' ? 1 : 2, 0)
  entry.writeUInt32LE(64, 4)
  entry.writeBigUInt64LE(8n, 8)
  entry.writeUInt32LE(gpu, 28)
  return entry
}

function fatBinary(...entries: Buffer[]): Buffer {
  const content = Buffer.concat(entries)
  const header = Buffer.alloc(16)
  header.writeUInt32LE(0xba55ed50, 0)
  header.writeUInt16LE(16, 6)
  header.writeBigUInt64LE(BigInt(content.length), 8)
  return Buffer.concat([header, content])
}

/** npm pack on a copy, so that the checkout's own build and dist stay as they are. Gives the tarball's path. */
function pack(stage: string, binary: boolean): string {
  mkdirSync(stage, { recursive: true })
  const wanted = [...packed, 'package.json', 'README.md', 'LICENSE'].filter(name => !/^!|^dist$|^prebuilds$/.test(name))
  for (const name of wanted.filter(name => existsSync(join(root, name)))) {
    cpSync(join(root, name), join(stage, name), { recursive: true })
  }
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  const compiled = run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(stage, 'dist')], root)
  if (compiled.status !== 0) throw new Error(compiled.output)
  if (binary) {
    const prebuilds = join(stage, 'prebuilds', `${process.platform}-${process.arch}`)
    mkdirSync(prebuilds, { recursive: true })
    cpSync(addon, join(prebuilds, 'dlrm.node'))
    if (existsSync(emulated)) cpSync(emulated, join(prebuilds, 'dlrm_cuda.so'))
  }
  const result = run(process.execPath, [npmCli, 'pack', '--ignore-scripts', '--silent'], stage)
  if (result.status !== 0) throw new Error(result.output)
  return join(stage, result.stdout.trim())
}

function npmInstall(app: string, tarball: string, flags: readonly string[], path: string) {
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), '{"private":true}')
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--foreground-scripts', '--fetch-retries=0', ...flags]
  return run(process.execPath, [npmCli, 'install', tarball, ...options], app, path)
}

const offline = ({ output }: { output: string }) => /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENOTCACHED/.test(output)

function skipOffline(t: Test): void {
  t.skip('no npm registry, and its cache lacks the dependencies', () => {})
}

/** A folder with node and the shell, nothing else: the PATH of a machine without CMake and compilers. */
function pathWithoutCompiler(dir: string): string {
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  symlinkSync(process.execPath, join(bin, 'node'))
  symlinkSync('/bin/sh', join(bin, 'sh'))
  return bin
}

function run(command: string, args: string[], cwd: string, path = process.env.PATH) {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: path }
  // What npm and tap tell their children must not reach a process that plays another user's.
  for (const name of Object.keys(env)) {
    if (
      /^(npm_(?!config_(cache|registry|cafile|userconfig|globalconfig|.*proxy))|TAP|CXX|CC|DLRM_CUDA_PLUGIN)/i.test(
        name,
      )
    )
      delete env[name]
  }
  // env takes away the hooks that tap puts into every node it sees started.
  const wrapped = ['-u', 'NODE_OPTIONS', command, ...args]
  const { status, stdout, stderr, error } = spawnSync('/usr/bin/env', wrapped, {
    cwd,
    env,
    encoding: 'utf8',
    timeout: 120_000,
  })
  return { status, stdout: stdout ?? '', output: `${stdout}${stderr}${error ?? ''}` }
}

function findOnPath(name: string): string {
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .map(dir => join(dir, name))
    .find(existsSync)
  if (!found) throw new Error(`${name} is not on the PATH (${dirname(process.execPath)})`)
  return found
}

function filesUnder(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap(entry => {
    const path = join(dir, entry.name)
    return entry.isDirectory() ? filesUnder(path) : [path]
  })
}
