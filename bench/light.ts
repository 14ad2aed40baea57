/**
 * Predictions of a pruned DeepLight against the same model unpruned, in turns: `npm run bench:light -- [options]`.
 *
 *   --prune=0.9  --norm=batch  --hidden=400-400-400
 *   --sizes=1,16,128,2048   examples of one call
 *   --smoke                 small and short
 *   --json                  one JSON object per line
 *
 * Frappe's ten columns of ids, one id each, embeddings of width 10, weights at random: about half of what relu passes on is 0, of a
 * trained model often more (`npm run quality -- --only=deeplight_dense,deeplight` times those). One `predictSync` is one call on the caller's thread.
 */
import { parseArgs } from 'node:util'
import { DeepLight } from '../lib/models/deeplight.js'
import { predictInTurns, randomBatch } from './in_turns.js'
import { machine, time } from './report.js'

const { values: options } = parseArgs({
  options: {
    prune: { type: 'string', default: '0.9' },
    norm: { type: 'string', default: 'batch' },
    hidden: { type: 'string' },
    sizes: { type: 'string' },
    smoke: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const { smoke } = options
const numbers = (text: string, separator: string) => text.split(separator).map(Number)

const make = () =>
  new DeepLight({
    tables: [957, 4082, 7, 7, 2, 3, 2, 9, 80, 233],
    hidden: numbers(options.hidden ?? (smoke ? '32' : '400-400-400'), '-'),
    norm: options.norm as 'none' | 'batch' | 'layer',
    seed: 1,
  })

const [dense, pruned] = [make(), make()]
await pruned.prune(Number(options.prune))
if (!options.json) console.log(`${machine()}\nB      dense        pruned       times as fast`)
for (const size of numbers(options.sizes ?? (smoke ? '1,3' : '1,16,128,2048'), ',')) {
  const [a = 0, b = 0] = predictInTurns([dense, pruned], randomBatch(dense, size), smoke ? 3 : undefined)
  const cells = [String(size).padEnd(6), time(a).padEnd(12), time(b).padEnd(12), (a / b).toFixed(2)]
  console.log(options.json ? JSON.stringify({ size, dense: a, pruned: b, speedup: a / b }) : cells.join(' '))
}
