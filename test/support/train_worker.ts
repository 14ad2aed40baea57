// Trains for ever; the test terminates it in the middle of a step.
import { parentPort } from 'node:worker_threads'
import { SGD } from '../../lib/optim/sgd.js'
import { tinyBatch, tinyModel } from './tiny_model.js'

const model = tinyModel({ bottom: [512, 512], top: [512, 512] })
await model.compile({ optimizer: new SGD({ lr: 0.01 }), maxBatch: 2048 })
const batch = tinyBatch(2048)
parentPort!.postMessage('ready')
for (;;) await Promise.all([model.step(batch), model.step(batch), model.predict(batch)])
