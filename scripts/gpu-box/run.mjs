// What run.sh of the GPU box runs: test:cuda, then the benchmark of the training step and of every op on the device, each within
// its time, so that a machine lent for ten minutes shows all, and a part that hangs or crashes stops no other. What a part has
// found is printed when it ends, since the machine may be gone a moment later; all of it goes to files in OUT: test.txt,
// test-cuda.log, bench.jsonl, train.jsonl, errors.txt, summary.txt.
//
//   run.sh [--only=test,bench,train] [--minutes=9] [--share=N] [--emulated]
//
//   --emulated   on the emulator, everything tiny: does the box work?
//   --share=N    of test:cuda
import { spawn, spawnSync } from 'node:child_process'
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const box = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..')
const out = resolve(process.env.OUT ?? join(box, 'out'))
const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'test,bench,train' },
    minutes: { type: 'string', default: '9' },
    share: { type: 'string', default: '8' },
    emulated: { type: 'boolean', default: false },
  },
})
const begin = performance.now()
const seconds = 60 * Number(options.minutes)
const plugin = join(
  box,
  'build',
  ...(options.emulated ? ['cmake', 'dlrm_cuda_emulated.so'] : ['Release', 'dlrm_cuda.so']),
)
const env = { ...process.env, DLRM_CUDA_PLUGIN: plugin, OUT: out }
const smoke = options.emulated ? ['--smoke'] : []
// Name, the share of the whole time that may have passed when it ends, the command.
const PARTS = [
  [
    'test',
    0.36,
    [
      'scripts/test-cuda.mjs',
      '--no-build',
      `--share=${options.share}`,
      `--seconds=${Math.round(0.34 * seconds)}`,
    ].concat(options.emulated ? ['--emulated'] : []),
  ],
  ...[
    ['kaggle', 'bf16', 0.44],
    ['mlperf', 'bf16', 0.54],
    ['kaggle', 'fp32', 0.61],
    ['mlperf', 'fp32', 0.7],
  ].map(([model, precision, share]) => [
    `train-${model}-${precision}`,
    share,
    [
      'bench/train.js',
      '--device=cuda',
      `--model=${model}`,
      `--precision=${precision}`,
      '--seconds=1',
      '--json',
      ...smoke,
    ],
  ]),
  ['bench', 0.99, ['bench/run.js', '--device=cuda', '--json', ...smoke]],
]

for (const file of ['test.txt', 'bench.jsonl', 'train.jsonl', 'errors.txt']) rmSync(join(out, file), { force: true })
const lines = []
let failures = 0
tell(machine())
for (const [name, share, args] of PARTS) {
  if (!options.only.split(',').includes(name.split('-')[0])) continue
  const left = Math.max(10, share * seconds - (performance.now() - begin) / 1000)
  const { text, errors, why } = await runPart(name, args, left)
  if (why) failures++
  tell(`\n== ${name}${why ? `: ${why}` : ''}`, ...(name === 'test' ? testLines(text) : rows(text).map(benchLine)))
  if (name !== 'test') tell(...errors.trimEnd().split('\n').filter(Boolean).slice(-10))
}
process.exit(failures > 0 ? 1 : 0)

function tell(...more) {
  if (more.length === 0) return
  console.log(more.join('\n'))
  lines.push(...more)
  writeFileSync(join(out, 'summary.txt'), `${lines.join('\n')}\n`)
}

function machine() {
  const query = ['--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem', '--format=csv,noheader']
  const { stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8', timeout: 20_000 })
  return `${stdout?.trim() || 'no nvidia-smi'}; Node ${process.version}, ${new Date().toISOString()}`
}

/** What it printed, and why it failed. It is stopped after its time; what it printed until then counts. */
function runPart(name, args, limit) {
  const file = join(out, `${name.split('-')[0]}.${name === 'test' ? 'txt' : 'jsonl'}`)
  const child = spawn(process.execPath, args, { cwd: box, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const printed = { text: '', errors: '' }
  child.stdout.on('data', data => {
    printed.text += data
    appendFileSync(file, data)
  })
  child.stderr.on('data', data => {
    printed.errors += data
    appendFileSync(join(out, 'errors.txt'), data)
  })
  const signal = name => {
    try {
      process.kill(-child.pid, name)
    } catch {
      // it has ended meanwhile
    }
  }
  return new Promise(done => {
    const end = why => {
      clearTimeout(timer)
      done({ ...printed, why })
    }
    const timer = setTimeout(() => {
      // Asked first: test:cuda ends what it has started, in process groups of their own.
      signal('SIGTERM')
      setTimeout(() => signal('SIGKILL'), 2000).unref()
      // A process that a driver does not let go is not waited for.
      const why = `stopped after ${limit.toFixed(0)} s`
      child.removeAllListeners('close')
      child.on('close', () => end(why))
      setTimeout(() => end(`${why}, but it does not end`), 7000)
    }, 1000 * limit)
    child.on('close', (status, signal) => end(status === 0 ? '' : `failed (${signal ?? status})`))
  })
}

/** The first failures, and the table, which comes line by line among them. */
function testLines(text) {
  const all = text.trimEnd().split('\n')
  const isRow = line => /(\s+\d+){3}\s+\d+\.\d$|^part |^\d+ passed, /.test(line)
  const bad = all.filter(line => !isRow(line))
  const left = bad.length > 30 ? [`... and ${bad.length - 30} lines more in test.txt`] : []
  return [...bad.slice(0, 30).map(line => line.slice(0, 200)), ...left, ...all.filter(isRow)]
}

function rows(text) {
  return text.split('\n').flatMap(line => {
    try {
      return line.startsWith('{') ? [JSON.parse(line)] : []
    } catch {
      return [] // cut off
    }
  })
}

function benchLine(m) {
  const time = m.median < 0.1 ? `${(1000 * m.median).toFixed(2)} us` : `${m.median.toFixed(3)} ms`
  if (!m.op)
    return `${`${m.model} ${m.case} ${m.precision}`.padEnd(34)} B ${`${m.batch}`.padEnd(6)} ${time.padStart(11)}  best ${m.best.toFixed(3)} ms`
  const share = m.bound === 'copy' ? `${(100 * m.share).toFixed(0)} % of copy` : ''
  return `${`${m.op} ${m.shape}`.padEnd(66)} ${m.pass.padEnd(8)} ${time.padStart(11)} ${m.gbs.toFixed(0).padStart(6)} GB/s ${(m.gflops / 1000).toFixed(2).padStart(7)} TFLOP/s  ${share}`
}
