/**
 * Our training step and predictions against PyTorch's, same shapes, same machine, in turns: `npm run bench:rivals`.
 * `DLRM_PYTHON` is a Python with PyTorch (README.md beside this file).
 *
 *   --case=step,predict,predictSync  --batch=2048,128  --threads=4  --seconds=2   as ../train.ts
 *   --rounds=3                       so many times ours, theirs, ours, theirs ...
 *   --no-compile                     PyTorch eager only; else the better of eager and torch.compile
 *   --smoke                          small tables, one round, a moment each
 *   --json                           one JSON object per line
 */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { native } from '../../lib/native.js'
import { summary } from '../measure.js'
import { machine, time } from '../report.js'
import { requirePython, run, script } from './python.js'

interface Theirs {
  median: number
  way: 'eager' | 'compiled'
  torch: string
  compile_error?: string
}

const { values: options } = parseArgs({
  options: {
    case: { type: 'string', default: 'step,predict,predictSync' },
    batch: { type: 'string' },
    threads: { type: 'string', default: `${native.threads()}` },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    'no-compile': { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const seconds = options.seconds ?? (options.smoke ? '0.05' : '2')
const rounds = Number(options.rounds ?? (options.smoke ? 1 : 3))
const here = dirname(fileURLToPath(import.meta.url))
const python = requirePython('bench:rivals')

function ours(name: string, batch: number): number {
  const args = [join(here, '..', 'train.js'), '--here', `--case=${name}`, `--batch=${batch}`, `--seconds=${seconds}`]
  if (options.smoke) args.push('--smoke')
  return run<{ median: number }>(process.execPath, args, { DLRM_THREADS: options.threads }).median
}

function theirs(name: string, batch: number): Theirs {
  const args = [script('torch_dlrm.py'), '--case', name === 'step' ? 'step' : 'predict', '--batch', `${batch}`]
  args.push('--threads', options.threads, '--seconds', seconds)
  if (options.smoke) args.push('--rows', '1000')
  if (options['no-compile'] || options.smoke) args.push('--no-compile')
  return run(python, args)
}

function compare(name: string, batch: number): void {
  const own: number[] = []
  const rival: Theirs[] = []
  for (let round = 0; round < rounds; round++) {
    own.push(ours(name, batch))
    rival.push(theirs(name, batch))
  }
  const [a, b] = [summary(own), summary(rival.map(({ median }) => median))]
  const { torch, way, compile_error } = rival[0]!
  const ratio = b.median / a.median
  if (options.json) {
    const threads = Number(options.threads)
    console.log(
      JSON.stringify({ case: name, batch, threads, torch, way, compile_error, ours: own, theirs: rival, ratio }),
    )
    return
  }
  const range = (values: number[]) => `(${time(Math.min(...values))} to ${time(Math.max(...values))})`
  const them = rival.map(({ median }) => median)
  console.log(
    `${name.padEnd(12)} B ${`${batch}`.padEnd(5)} dlrm ${time(a.median).padStart(9)} ${range(own).padEnd(26)}` +
      ` torch ${torch} ${way.padEnd(8)} ${time(b.median).padStart(9)} ${range(them).padEnd(26)} ${ratio.toFixed(2)}x`,
  )
  if (compile_error) console.log(`  torch.compile: ${compile_error}`)
}

if (!options.json) console.log(`${machine()}; medians of ${rounds} rounds on ${options.threads} threads`)
for (const name of options.case.split(',')) {
  const sizes = options.batch?.split(',').map(Number) ?? (name === 'step' ? [2048, 128] : [2048, 128, 1])
  for (const batch of sizes) compare(name, batch)
}
