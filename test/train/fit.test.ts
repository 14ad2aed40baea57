import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { openCriteo } from '../../lib/data/criteo.js'
import type { DataSet } from '../../lib/data/source.js'
import { writeCriteo } from '../../lib/data/write_criteo.js'
import { DLRM } from '../../lib/models/dlrm.js'
import { Adagrad } from '../../lib/optim/adagrad.js'
import { Adam } from '../../lib/optim/adam.js'
import { ParameterGroups } from '../../lib/optim/groups.js'
import { RowWiseAdagrad } from '../../lib/optim/rowwise_adagrad.js'
import { WarmupPolyDecay } from '../../lib/optim/schedule.js'
import { evaluate } from '../../lib/train/evaluate.js'
import type { FitOptions, Progress } from '../../lib/train/fit_options.js'
import { Plateau, type PlateauOptions } from '../../lib/train/plateau.js'

const dir = t.testdir()
const file = `${dir}/clicks.txt`
writeCriteo(file, { rows: 6000, seed: 9 })

function model(data: DataSet): DLRM {
  const tables = data.schema.tableSizes
  return new DLRM({ dense: 13, tables, embeddingDim: 4, bottom: [16], top: [16], seed: 3 })
}

async function withData<T>(body: (data: DataSet) => Promise<T>): Promise<T> {
  const data = await openCriteo(file, { hashSize: 500 })
  try {
    return await body(data)
  } finally {
    await data.close()
  }
}

t.test('learns what the teacher planted, reports, validates, and predicts raw rows', async t => {
  await withData(async data => {
    const dlrm = model(data)
    const seen: Progress[] = []
    const result = await dlrm.fit(data, {
      batchSize: 64,
      epochs: 3,
      optimizer: new Adagrad({ lr: 0.05 }),
      progressEvery: 20,
      onProgress: progress => seen.push(progress),
    })
    t.equal(result.epochs, 3)
    t.equal(result.steps, dlrm.steps)
    t.equal(result.history.length, 3)
    const last = result.history.at(-1)!.valid
    t.equal(result.samples, 3 * (6000 - last.samples))
    t.ok(last.auc! > 0.6, `AUC ${last.auc}`)
    t.same(
      await evaluate(dlrm, data.valid!, { batchSize: 100 }),
      last,
      'the batch size of an evaluation changes nothing',
    )
    const losses = seen.filter(p => !p.valid).map(p => p.loss)
    t.ok(losses.at(-1)! < losses[0]!, `loss from ${losses[0]} to ${losses.at(-1)}`)
    const path = `${dir}/raw.safetensors`
    await dlrm.save(path)
    const loaded = await DLRM.load(path)
    const rows = [{ I1: 3, C1: '68fd1e64' }, {}, { I2: -1, C3: 'never seen' }]
    t.same(await loaded.predictRows(rows), await dlrm.predictRows(rows))
    await t.rejects(loaded.predictRows([{ I1: 'three' }]), { code: 'ERR_DATA', message: /I1/ })
  })
})

t.test('early stopping goes back to the best parameters', async t => {
  await withData(async data => {
    const dlrm = model(data)
    const result = await dlrm.fit(data, {
      batchSize: 64,
      epochs: 200,
      optimizer: new Adam({ lr: 0.02 }),
      earlyStopping: { metric: 'logloss', patience: 2 },
    })
    t.ok(result.stoppedEarly)
    t.ok(result.epochs < 200)
    const best = Math.min(...result.history.map(({ valid }) => valid.logloss!))
    t.equal(result.best!.value, best)
    t.equal((await evaluate(dlrm, data.valid!, { batchSize: 64 })).logloss, best)
  })
})

const OPTIONS: Omit<FitOptions, 'optimizer'> = {
  batchSize: 64,
  epochs: 2,
  validEvery: 7,
  seed: 4,
  clipNorm: 0.5,
  reduceLrOnPlateau: { metric: 'logloss', factor: 0.5, minLr: 1e-4 },
}
const optimizer = () =>
  new ParameterGroups({
    tables: new RowWiseAdagrad({ lr: 0.02 }),
    '*': new Adam({
      lr: 0.01,
      schedule: new WarmupPolyDecay({ warmupSteps: 20, decayStartStep: 50, decaySteps: 100 }),
    }),
  })

t.test('a run stopped anywhere and resumed equals one never stopped, bit for bit', async t => {
  const straight = await withData(async data => {
    const dlrm = model(data)
    let scale = 1
    const onProgress = ({ rateScale }: Progress) => {
      scale = rateScale
    }
    const result = await dlrm.fit(data, { ...OPTIONS, optimizer: optimizer(), onProgress })
    t.ok(scale < 1, `a plateau was met: ${scale}`)
    return { state: dlrm.state(), history: result.history }
  })
  for (const stopAt of [5, 26, 86]) {
    const checkpoint = { dir: `${dir}/checkpoints-${stopAt}`, every: 5 }
    const history: unknown[] = []
    await withData(async data => {
      const stop = new AbortController()
      const onProgress = ({ step }: Progress) => step >= stopAt && stop.abort()
      const options = { ...OPTIONS, optimizer: optimizer(), checkpoint, signal: stop.signal, onProgress }
      history.push(...(await model(data).fit(data, options)).history)
    })
    const resumed = await withData(async data => {
      const dlrm = model(data)
      const result = await dlrm.fit(data, { ...OPTIONS, optimizer: optimizer(), checkpoint, resume: true })
      return { state: dlrm.state(), history: result.history }
    })
    t.same(resumed.state, straight.state, `stopped at ${stopAt}`)
    t.same(resumed.history.at(-1), straight.history.at(-1))
  }
  await withData(async data => {
    const options = {
      ...OPTIONS,
      optimizer: optimizer(),
      checkpoint: { dir: `${dir}/checkpoints-5`, every: 5 },
      resume: true,
    }
    await t.rejects(model(data).fit(data, { ...options, batchSize: 32 }), {
      code: 'ERR_ARGUMENT',
      message: /batchSize = 64/,
    })
    await t.rejects(model(data).fit(data, { ...options, optimizer: new Adagrad() }), {
      code: 'ERR_ARGUMENT',
      message: /optimizer/,
    })
    const reduceLrOnPlateau = { ...OPTIONS.reduceLrOnPlateau, factor: 0.1 }
    for (const change of [{ clipNorm: 0 }, { reduceLrOnPlateau }, { reduceLrOnPlateau: undefined }]) {
      const message = new RegExp(Object.keys(change)[0]!)
      await t.rejects(model(data).fit(data, { ...options, ...change }), { code: 'ERR_ARGUMENT', message })
    }
  })
})

t.test('a plateau lowers the rates after each so many validations without a better metric', async t => {
  const scales = (options: PlateauOptions, ...values: number[]) => {
    const plateau = new Plateau(options)
    return values.map(value => {
      plateau.judge(value)
      return plateau.state.scale
    })
  }
  t.strictSame(scales({ metric: 'auc' }, 0.7, 0.8, 0.8, 0.81, 0.5), [1, 1, 0.1, 0.1, 0.1 * 0.1])
  t.strictSame(scales({ metric: 'rmse', factor: 0.5, patience: 2 }, 2, 3, 1, 1, 1, 1, 0.9), [1, 1, 1, 1, 0.5, 0.5, 0.5])
  for (const bad of [{ factor: 0 }, { factor: 1 }, { patience: 0 }, { patience: 1.5 }, { minLr: -1 }, { minLr: NaN }]) {
    t.throws(() => new Plateau(bad), { code: 'ERR_ARGUMENT', message: new RegExp(Object.keys(bad)[0]!) })
  }
})

t.test('kill -9 at any moment costs at most the steps since the last checkpoint', async t => {
  const hash = (folder: string) =>
    createHash('sha256')
      .update(readFileSync(`${folder}/end.safetensors`))
      .digest('hex')
  /** Resolves to the number of reports; kills the child after `reports` of them and a little. */
  const run = (folder: string, reports: number, delay: number) =>
    new Promise<number>((resolve, reject) => {
      const child = fork(fileURLToPath(new URL('../support/fit_child.mjs', import.meta.url)), [file, folder], {
        execArgv: [],
      })
      let seen = 0
      child.on('message', () => {
        if (++seen === reports) setTimeout(() => child.kill('SIGKILL'), delay)
      })
      child.on('exit', (code, signal) => {
        if (code === 0 || signal === 'SIGKILL') resolve(seen)
        else reject(new Error(`the child ended with ${code ?? signal}`))
      })
    })
  const [straight, killed] = [`${dir}/straight`, `${dir}/killed`]
  await run(straight, Number.POSITIVE_INFINITY, 0)
  for (let i = 0; i < 4; i++) await run(killed, 2, i * 5)
  t.ok(readdirSync(killed).some(name => name.startsWith('checkpoint-')))
  t.notOk(readdirSync(killed).includes('end.safetensors'), 'it was killed before its end')
  await run(killed, Number.POSITIVE_INFINITY, 0)
  t.equal(hash(killed), hash(straight))
})

t.test('a data set that does not fit, wrong options, a file that vanishes', async t => {
  await withData(async data => {
    const dlrm = model(data)
    const optimizer = new Adagrad()
    for (const [change, message] of [
      [{ batchSize: 0 }, /batchSize/],
      [{ epochs: 1.5 }, /epochs/],
      [{ validEvery: -1 }, /validEvery/],
      [{ optimizer: {} }, /optimizer/],
      [{ resume: true }, /resume/],
      [{ clipNorm: -1 }, /clipNorm/],
      [{ earlyStopping: { metric: 'mse' as never, patience: 1 } }, /earlyStopping.metric/],
      [{ reduceLrOnPlateau: { factor: 2 } }, /reduceLrOnPlateau.factor/],
      [{ checkpoint: { dir, every: 0 } }, /every/],
    ] as const) {
      const options = { ...{ batchSize: 8, optimizer }, ...change } as FitOptions
      await t.rejects(dlrm.fit(data, options), { code: 'ERR_ARGUMENT', message }, JSON.stringify(change))
    }
    const other = new DLRM({ dense: 12, tables: data.schema.tableSizes, embeddingDim: 4 })
    await t.rejects(other.fit(data, { batchSize: 8, optimizer }), { code: 'ERR_SHAPE', message: /D = 12.*13/ })
    const small = new DLRM({ dense: 13, tables: data.schema.tableSizes.map(() => 400), embeddingDim: 4 })
    await t.rejects(small.fit(data, { batchSize: 8, optimizer }), { code: 'ERR_SHAPE', message: /rows/ })
  })
  const copy = `${dir}/vanishing.txt`
  writeCriteo(copy, { rows: 100, seed: 1 })
  const data = await openCriteo(copy, { hashSize: 500 })
  rmSync(copy)
  await t.rejects(model(data).fit(data, { batchSize: 8, optimizer: new Adagrad() }), { code: 'ERR_IO' })
  await data.close()
})
