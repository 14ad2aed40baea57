/** Saves one checkpoint after the other into argv[2], reporting each to the parent, until it is killed. */
import { Checkpoints } from '../../lib/train/checkpoint.js'

const checkpoints = new Checkpoints({ dir: process.argv[2], keep: 2 })
const latest = await checkpoints.latest()
await latest?.file.close()
const piece = new Float32Array(1 << 16)
for (let step = (latest?.step ?? 0) + 1; ; step++) {
  piece.fill(step)
  const chunks = () => new Array<Float32Array>(16).fill(piece)
  const state = { epoch: 0, step, position: null, rng: null, best: null, sinceBest: 0 }
  await checkpoints.save(state, [{ name: 'w', shape: [1 << 20], chunks }])
  process.send!(step)
}
