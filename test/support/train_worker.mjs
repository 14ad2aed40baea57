// Trains for ever; the test terminates it in the middle of a step. Plain JavaScript on dist/, since tap's TypeScript
// loader takes seconds to start in every Worker.
import { parentPort } from 'node:worker_threads'
import { DLRM, SGD } from '../../dist/index.js'

const size = 2048
const model = new DLRM({ dense: 3, tables: [100], embeddingDim: 4, bottom: [512, 512], top: [512, 512] })
await model.compile({ optimizer: new SGD({ lr: 0.01 }), maxBatch: size })
const offsets = Int32Array.from({ length: size }, (_, b) => b)
const batch = {
  size,
  dense: new Float32Array(size * 3),
  tables: [{ offsets, indices: offsets.map(b => b % 100) }],
  labels: new Float32Array(size),
}
parentPort.postMessage('ready')
for (;;) await Promise.all([model.step(batch), model.step(batch), model.predict(batch)])
