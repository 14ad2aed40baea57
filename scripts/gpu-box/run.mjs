// What run.sh of the GPU box runs: test:cuda, then the benchmark of every op and of the training step on the device, each within
// its time, so that a machine lent for ten minutes shows all. Tables come last, on standard output; all of it goes to files
// in OUT: test.txt, test-cuda.log, bench.jsonl, train.jsonl, summary.txt.
//
//   run.sh [--only=test,bench,train] [--minutes=9] [--share=N] [--emulated]
//
//   --emulated   on the emulator, everything tiny: does the box work?
//   --share=N    of test:cuda
import { spawn, spawnSync } from 'node:child_process'
import { createWriteStream, rmSync, writeFileSync } from 'node:fs'
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
    0.42,
    ['scripts/test-cuda.mjs', '--no-build', `--share=${options.share}`, ...(options.emulated ? ['--emulated'] : [])],
  ],
  ['bench', 0.82, ['bench/run.js', '--device=cuda', '--json', ...smoke]],
  ...['kaggle', 'mlperf'].flatMap(model =>
    ['fp32', 'bf16'].map((precision, i) => [
      `train-${model}-${precision}`,
      (model === 'kaggle' ? 0.84 : 0.93) + i * 0.05,
      ['bench/train.js', '--device=cuda', `--model=${model}`, `--precision=${precision}`, '--json', ...smoke],
    ]),
  ),
]

for (const file of ['test.txt', 'bench.jsonl', 'train.jsonl']) rmSync(join(out, file), { force: true })
const lines = [machine()]
let failures = 0
for (const [name, share, args] of PARTS) {
  if (!options.only.split(',').includes(name.split('-')[0])) continue
  const left = Math.max(10, share * seconds - (performance.now() - begin) / 1000)
  const { text, why } = await runPart(name, args, left)
  if (why) failures++
  lines.push(`\n== ${name}${why ? `: ${why}` : ''}`, ...(name === 'test' ? testLines(text) : rows(text).map(benchLine)))
}
writeFileSync(join(out, 'summary.txt'), `${lines.join('\n')}\n`)
console.log(lines.join('\n'))
process.exit(failures > 0 ? 1 : 0)

function machine() {
  const query = ['--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem', '--format=csv,noheader']
  const { stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8' })
  return `${stdout?.trim() || 'no nvidia-smi'}; Node ${process.version}, ${new Date().toISOString()}`
}

/** What it printed, and why it failed. It is stopped after its time; what it printed until then counts. */
function runPart(name, args, limit) {
  const file = createWriteStream(join(out, `${name.split('-')[0]}.${name === 'test' ? 'txt' : 'jsonl'}`), {
    flags: 'a',
  })
  const child = spawn(process.execPath, args, { cwd: box, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let text = ''
  let late = false
  const timer = setTimeout(() => {
    late = true
    process.kill(-child.pid, 'SIGKILL')
  }, 1000 * limit)
  child.stdout.on('data', data => {
    text += data
    file.write(data)
  })
  child.stderr.on('data', data => process.stderr.write(data))
  return new Promise(done =>
    child.on('close', (status, signal) => {
      clearTimeout(timer)
      file.end()
      done({
        text,
        why: late ? `stopped after ${limit.toFixed(0)} s` : status === 0 ? '' : `failed (${signal ?? status})`,
      })
    }),
  )
}

function testLines(text) {
  return text.trimEnd().split('\n').slice(-40)
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
