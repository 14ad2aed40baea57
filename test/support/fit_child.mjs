// Trains on the file argv[2] with checkpoints in argv[3], from where the last run was killed; reports every 10 steps. Plain
// JavaScript on dist/ so that it starts at once.
import { Adagrad, DLRM, openCriteo } from '../../dist/index.js'

const [file, dir] = process.argv.slice(2)
const data = await openCriteo(file, { hashSize: 500 })
const model = new DLRM({
  dense: 13,
  tables: data.schema.tableSizes,
  embeddingDim: 4,
  bottom: [16],
  top: [16],
  seed: 3,
})
await model.fit(data, {
  batchSize: 64,
  epochs: 2,
  optimizer: new Adagrad({ lr: 0.05 }),
  validEvery: 25,
  earlyStopping: { metric: 'logloss', patience: 100 },
  checkpoint: { dir, every: 7, keep: 2 },
  resume: true,
  progressEvery: 10,
  onProgress: ({ step, loss }) => process.send({ step, loss }),
})
await model.save(`${dir}/end.safetensors`)
await data.close()
process.disconnect()
