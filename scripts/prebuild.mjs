// `npm run prebuilds`: makes prebuilds/<platform>-<arch>/dlrm.glibc.node with prebuildify, the CUDA plugin dlrm_cuda.so
// beside it where nvcc is found, and checks both (check-prebuild.mjs).
//
// A binary linked here would need this machine's glibc. So clang compiles against a Debian 11 sysroot, whose packages
// apt downloads and dpkg unpacks into the user's cache: nothing is installed, no root is needed. The build happens in a
// copy of the sources, because prebuildify empties the build folder.
//
// Needs apt-get and dpkg-deb (any Debian or Ubuntu), clang 14 or newer, binutils, and what node-gyp needs (Python); for the
// plugin nvcc (CUDA 12.8 or newer) in PATH or in CUDACXX. A release must have it: npm run check-prebuild asks for it.
//   DLRM_SYSROOT        an existing sysroot with glibc <= 2.31 and libstdc++.a, instead of making one
//   DLRM_DEBIAN_MIRROR  where to take Debian 11 from, instead of the mirror in apt's configuration
//   DLRM_PREBUILD_CXX   the clang++ to use
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')
const PACKAGES = ['libc6', 'libc6-dev', 'linux-libc-dev', 'libgcc-s1', 'libgcc-10-dev', 'libstdc++-10-dev']
const PLUGIN = 'dlrm_cuda.so'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

const compiler = findCompiler()
const sysroot = process.env.DLRM_SYSROOT ? resolve(process.env.DLRM_SYSROOT) : makeSysroot()
const nvcc = hasNvcc()
const shipped = join(root, 'prebuilds', `${process.platform}-${process.arch}`)
const stage = mkdtempSync(join(tmpdir(), 'dlrm-prebuild-'))
// One of before is of other sources, perhaps.
rmSync(join(shipped, PLUGIN), { force: true })
try {
  for (const name of ['native', 'scripts', 'CMakeLists.txt', 'binding.gyp', 'package.json']) {
    cpSync(join(root, name), join(stage, name), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(stage, 'node_modules'))
  const env = { ...process.env, DLRM_CMAKE_ARGS: makeCompiler().join(' ') }
  const prebuildify = join(root, 'node_modules', 'prebuildify', 'bin.js')
  const args = [
    prebuildify,
    '--napi',
    '--strip',
    '--tag-libc',
    '--target',
    process.version,
    '--cwd',
    stage,
    '--out',
    root,
  ]
  // node-gyp wants Node's headers, though nothing here reads them: the ones beside node save a download.
  const nodedir = dirname(dirname(process.execPath))
  const headers = existsSync(join(nodedir, 'include', 'node', 'common.gypi')) ? { npm_config_nodedir: nodedir } : {}
  run(process.execPath, args, { env: { ...headers, ...env } })
  if (nvcc) addPlugin(env)
} finally {
  rmSync(stage, { recursive: true, force: true })
}
if (!nvcc)
  console.log(
    `prebuild: no nvcc, so ${PLUGIN} is left out: put nvcc (CUDA 12.8 or newer) into PATH or CUDACXX to have it`,
  )
run(process.execPath, [join(root, 'scripts', 'check-prebuild.mjs'), ...(nvcc ? [] : ['--without-cuda'])])

function findCompiler() {
  const names = process.env.DLRM_PREBUILD_CXX?.split(' ') ?? ['clang++-14', 'clang++-15', 'clang++-16', 'clang++']
  const found = names.find(name => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0)
  return found ?? fail(`no ${names.join(', ')} found. Install one: apt-get install clang-14, or set DLRM_PREBUILD_CXX`)
}

function hasNvcc() {
  const answers = spawnSync(process.env.CUDACXX || 'nvcc', ['--version'], { stdio: 'ignore' }).status === 0
  if (!answers && process.env.CUDACXX) fail(`CUDACXX: ${process.env.CUDACXX} does not answer to --version`)
  return answers
}

/** CMake's settings. The compiler is a clang++ that knows the sysroot alone: with flags, CMake tells nvcc's linker of this machine's libraries. */
function makeCompiler() {
  const inside = join(stage, 'clang++')
  writeFileSync(inside, `#!/bin/sh\nexec ${compiler} --sysroot='${sysroot}' --gcc-toolchain='${sysroot}/usr' "$@"\n`)
  chmodSync(inside, 0o755)
  return ['DLRM_PORTABLE=ON', `CMAKE_CXX_COMPILER=${inside}`, `CMAKE_CUDA_HOST_COMPILER=${inside}`]
}

function addPlugin(env) {
  run(process.execPath, [join(stage, 'scripts', 'build-native.mjs'), '--cuda'], { env })
  run('strip', ['--strip-all', '-o', join(shipped, PLUGIN), join(stage, 'build', 'Release', PLUGIN)])
}

function makeSysroot() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'dlrm')
  const target = join(cache, 'sysroot-debian11')
  if (existsSync(target)) return target
  if (!existsSync(KEYRING)) fail(`${KEYRING} is missing: apt-get install debian-archive-keyring`)
  const work = join(cache, `making-${process.pid}`)
  const made = join(work, 'sysroot')
  try {
    for (const dir of ['state/lists/partial', 'cache/archives/partial', 'debs', 'sysroot']) {
      mkdirSync(join(work, dir), { recursive: true })
    }
    writeFileSync(join(work, 'sources.list'), `deb [signed-by=${KEYRING}] ${debianMirror()} bullseye main\n`)
    writeFileSync(join(work, 'status'), '')
    const settings = {
      'Dir::State': join(work, 'state'),
      'Dir::State::status': join(work, 'status'),
      'Dir::Cache': join(work, 'cache'),
      'Dir::Etc::sourcelist': join(work, 'sources.list'),
      'Dir::Etc::sourceparts': '-',
      'APT::Architecture': 'amd64',
      'APT::Sandbox::User': '',
    }
    const apt = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
    run('apt-get', [...apt, '-qq', 'update'])
    run('apt-get', [...apt, '-qq', 'download', ...PACKAGES], { cwd: join(work, 'debs') })
    for (const deb of readdirSync(join(work, 'debs'))) run('dpkg-deb', ['-x', join(work, 'debs', deb), made])
    makeLinksRelative(made)
    renameSync(made, target)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return target
}

/** Debian's libdl.so and ld-linux links are absolute: the linker would follow them out of the sysroot. */
function makeLinksRelative(top) {
  for (const entry of readdirSync(top, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue
    const link = join(entry.parentPath ?? entry.path, entry.name)
    const aim = readlinkSync(link)
    if (!aim.startsWith('/')) continue
    unlinkSync(link)
    symlinkSync(relative(dirname(link), join(top, aim)), link)
  }
}

function debianMirror() {
  if (process.env.DLRM_DEBIAN_MIRROR) return process.env.DLRM_DEBIAN_MIRROR
  const args = ['indextargets', '--format', '$(REPO_URI)', 'Origin: Debian', 'Created-By: Packages']
  const { stdout } = spawnSync('apt-get', args, { encoding: 'utf8' })
  const mirror = stdout?.split('\n').find(uri => uri && !uri.includes('security'))
  return mirror ?? fail('apt on this machine knows no Debian mirror: set DLRM_DEBIAN_MIRROR or DLRM_SYSROOT')
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options })
  if (result.error) fail(`${command}: ${result.error.message}`)
  if (result.status !== 0) fail(`${command} ${args.join(' ')}: exit status ${result.status}`)
}

function fail(message) {
  console.error(`prebuild: ${message}`)
  process.exit(1)
}
