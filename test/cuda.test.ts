import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { writeCriteo } from '../lib/data/write_criteo.js'
import {
  Adagrad,
  Adam,
  type Batch,
  cuda,
  DCN,
  type Device,
  DLRM,
  type DLRMOptions,
  DlrmError,
  kernels,
  type Model,
  type Optimizer,
  openCriteo,
  RowWiseAdagrad,
  SGD,
} from '../lib/index.js'
import { runCli } from './support/cli.js'
import { Generator } from './support/generator.js'
import { TABLES, tinyBatch, tinyModel } from './support/tiny_model.js'

// The plugin of the tests, whose kernels run on the CPU; a real one in DLRM_CUDA_PLUGIN goes before it.
const emulated = join(fileURLToPath(new URL('..', import.meta.url)), 'build', 'cmake', 'dlrm_cuda_emulated.so')
const plugin = process.env.DLRM_CUDA_PLUGIN ?? emulated
const skip = existsSync(plugin)
  ? false
  : 'no CUDA plugin: node scripts/build-native.mjs --tests builds the emulated one'

function withPlugin<T>(path: string, body: () => T): T {
  const before = process.env.DLRM_CUDA_PLUGIN
  process.env.DLRM_CUDA_PLUGIN = path
  try {
    return body()
  } finally {
    setPlugin(before)
  }
}

function setPlugin(path: string | undefined) {
  if (path === undefined) delete process.env.DLRM_CUDA_PLUGIN
  else process.env.DLRM_CUDA_PLUGIN = path
}

function errorOf(body: () => unknown): DlrmError {
  try {
    body()
  } catch (error) {
    if (error instanceof DlrmError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** Of one size and one index per bag two times of three: such steps come again and are recorded. */
function batchOf(step: number): Batch {
  const batch = tinyBatch(16, step)
  if (step % 3 === 0) return batch
  const g = new Generator(step)
  const oneHot = (rows: number) => ({
    offsets: Int32Array.from({ length: 17 }, (_, b) => b),
    indices: Int32Array.from(g.below(16, rows)),
  })
  return { ...batch, tables: TABLES.map(oneHot) }
}

async function train(model: Model, first: number, last: number): Promise<number[]> {
  const losses: Promise<number>[] = []
  for (let step = first; step <= last; step++) losses.push(model.step(batchOf(step)))
  return Promise.all(losses)
}

/** Relative to the largest number of each tensor. */
function sameState(t: Test, is: Model, should: Model, tolerance = 1e-5): void {
  for (const [name, { data }] of should.state()) {
    const other = is.state().get(name)!.data
    const scale = Math.max(...data.map(Math.abs), 1e-3)
    const worst = data.reduce((most, x, i) => Math.max(most, Math.abs(x - other[i]!)), 0)
    t.ok(worst <= tolerance * scale, `${name}: off by ${worst} of ${scale}`)
  }
}

t.test('without a plugin there is a reason, and nothing else notices', async t => {
  const path = join(t.testdir(), 'none.so')
  const info = withPlugin(path, cuda)
  t.match(info, { available: false, plugin: path, reason: /none\.so is not there: .*npm run build:cuda/ })
  const error = withPlugin(path, () => errorOf(() => tinyModel({ device: 'cuda' })))
  t.match(error, { code: 'ERR_DEVICE', message: /npm run build:cuda/ })
  const x = new Float32Array(4)
  t.match(
    withPlugin(path, () => errorOf(() => kernels.sigmoid({ x }, { device: 'cuda' }))),
    { code: 'ERR_DEVICE' },
  )
  const before = process.env.DLRM_CUDA_PLUGIN
  setPlugin(path)
  const train = await runCli(['train', '--use-gpu'])
  setPlugin(before)
  t.match(train, { code: 1, err: /^error \[ERR_DEVICE\]: cuda: / })
  const model = withPlugin(path, () => tinyModel())
  t.equal(model.device, 'cpu')
  t.equal(model.predictSync(tinyBatch(2)).length, 2)
  t.match(
    errorOf(() => tinyModel({ device: 'gpu' as 'cuda' })),
    { code: 'ERR_ARGUMENT', message: 'device: expected cpu or cuda, received "gpu"' },
  )
})

t.test('on a device', { skip }, async t => {
  process.env.DLRM_CUDA_PLUGIN = plugin
  const info = cuda()
  t.match(info, { available: true, plugin })
  if (info.available) t.equal(info.emulated, plugin === emulated)

  t.test('an op alone gives what it gives on the CPU', async t => {
    const x = Float32Array.from({ length: 1000 }, (_, i) => (i - 500) / 50)
    const { out, nanoseconds } = kernels.sigmoid({ x }, { device: 'cuda', repeats: 3 })
    const expected = kernels.sigmoid({ x }).out
    t.equal(nanoseconds.length, 3)
    t.ok(out.every((p, i) => Math.abs(p - expected[i]!) <= 1e-6))
  })

  t.test('updates change the arrays of the caller', async t => {
    const update = (device: 'cpu' | 'cuda') => {
      const w = Float32Array.from({ length: 50 }, (_, i) => i)
      const g = Float32Array.from({ length: 50 }, (_, i) => 1 / (i + 1))
      kernels.denseUpdate({ tensors: [{ w, g }], optimizer: new SGD({ lr: 0.5 }) }, { device })
      return w
    }
    t.same(update('cuda'), update('cpu'))
    t.not(update('cuda')[0], 0)
  })

  t.test('ops with bags, parameters, gradients and states give what they give on the CPU', async t => {
    const g = new Generator(7)
    const [batch, width] = [9, 5]
    const tables = [30, 4].map(rows => {
      const offsets = new Int32Array(batch + 1)
      g.below(batch, 4).forEach((n, i) => {
        offsets[i + 1] = offsets[i]! + n
      })
      const indices = Int32Array.from(g.below(offsets[batch]!, rows))
      return { weight: g.symmetric(rows * width, 1), offsets, indices, weights: g.unit(indices.length) }
    })
    const dout = g.symmetric(batch * 2 * width, 1)
    const layers = [7, 3].map((n, l) => ({ weight: g.symmetric(n * [10, 7][l]!, 1), bias: g.symmetric(n, 1) }))
    const x = g.symmetric(batch * width, 1)
    const bare = tables.map(({ weights: _, ...table }) => table)
    const close = (is: Float32Array, should: Float32Array, what: string) => {
      t.equal(is.length, should.length, what)
      t.ok(
        should.every((v, i) => Math.abs(v - is[i]!) <= 1e-5 * (1 + Math.abs(v))),
        what,
      )
    }
    const run = (device: Device) => {
      const at = { device }
      const pooled = kernels.embeddingBag({ tables, width }, at)
      const most = kernels.embeddingBag({ tables: bare, width, mode: 'max' }, at)
      const { dlookup } = kernels.embeddingBagBackward({ tables, width, dout }, at)
      const { out } = kernels.mlp({ batch, x: pooled.out, layers }, at)
      const mlp = kernels.mlpBackward({ batch, x: pooled.out, layers, dout: out }, at)
      const dots = kernels.interactionDot({ batch, width, x, e: pooled.out }, at)
      const { dx, de } = kernels.interactionDotBackward({ batch, width, x, e: pooled.out, dout: dots.out }, at)
      const trained = tables.map(table => ({
        ...table,
        weight: table.weight.slice(),
        state: [new Float32Array(table.weight.length)],
      }))
      kernels.embeddingUpdate({ tables: trained, width, dout, optimizer: new Adagrad({ lr: 0.1 }) }, at)
      return {
        positions: most.positions!,
        floats: Object.entries({
          pooled: pooled.out,
          most: most.out,
          dlookup: dlookup[1]!,
          out,
          dots: dots.out,
          dx: dx!,
          de,
          mlp: mlp.dx,
          dweight: mlp.layers[0]!.dweight,
          dbias: mlp.layers[1]!.dbias!,
          weight: trained[0]!.weight,
          state: trained[1]!.state[0]!,
        }),
      }
    }
    const [cpu, device] = [run('cpu'), run('cuda')]
    t.same(device.positions, cpu.positions)
    cpu.floats.forEach(([name, numbers], i) => {
      close(device.floats[i]![1], numbers, name)
    })
    t.throws(() => kernels.dropout({ x, rate: 0.5 } as never, { device: 'cuda' }), { code: 'ERR_ARGUMENT' })
  })

  t.test('a model of ops without kernels is refused, by name', async t => {
    const error = errorOf(() => new DCN({ dense: 3, tables: [5], device: 'cuda' }))
    t.match(error, { code: 'ERR_ARGUMENT', message: /^\[\w+\] device: this op has no CUDA kernels/ })
  })

  const optimizers: [string, () => Optimizer, number][] = [
    ['SGD', () => new SGD({ lr: 0.1 }), 0],
    ['Adagrad', () => new Adagrad({ lr: 0.05 }), 0],
    ['row-wise Adagrad, clipped', () => new RowWiseAdagrad({ lr: 0.05 }), 0.1],
    ['Adam', () => new Adam({ lr: 0.01 }), 0],
  ]
  for (const [name, optimizer, clipNorm] of optimizers) {
    t.test(`DLRM trains as on the CPU: ${name}`, async t => {
      const [cpu, device] = [tinyModel(), tinyModel({ device: 'cuda' })]
      t.equal(device.device, 'cuda')
      t.same(device.state(), cpu.state(), 'the same initial parameters')
      for (const model of [cpu, device]) await model.compile({ optimizer: optimizer(), maxBatch: 16, clipNorm })
      const [expected, losses] = [await train(cpu, 1, 10), await train(device, 1, 10)]
      losses.forEach((loss, i) => {
        t.ok(Math.abs(loss - expected[i]!) <= 1e-5 * expected[i]!, `loss ${i}`)
      })
      sameState(t, device, cpu)
      const batch = tinyBatch(40, 99)
      const [p, q] = [await device.predict(batch), await cpu.predict(batch)]
      t.ok(p.every((x, i) => Math.abs(x - q[i]!) <= 1e-5))
      t.same(device.predictSync(batch), p)
      const judged = await device.evaluate(batch)
      t.same(judged.predictions, p)
      t.ok(Math.abs(judged.loss - (await cpu.evaluate(batch)).loss) <= 1e-5)
      t.same(device.sparsity(), cpu.sparsity())
    })
  }

  const variants: [string, Partial<DLRMOptions>][] = [
    ['mean', { pooling: 'mean' }],
    ['max', { pooling: 'max' }],
    ['learned row weights', { weightedPooling: 'learned' }],
    ['concatenated, mse', { interaction: 'cat', loss: 'mse' }],
    [
      'dots of vectors with themselves, weighted classes',
      { interactionItself: true, loss: 'wbce', lossWeights: [1, 3] },
    ],
    ['clamped', { lossThreshold: 0.1 }],
    ['no dense features', { dense: 0, bottom: [] }],
    ['mixed dimensions', { md: { threshold: 50 } }],
    ['buckets', { buckets: [{ feature: 1, name: 'x', boundaries: [-0.5, 0, 0.5] }] }],
    ['tables of bf16', { tableDtype: 'bf16' }],
    ['tables of float16', { tableDtype: 'f16' }],
    ['products of bf16', { precision: 'bf16' }],
  ]
  for (const [name, options] of variants) {
    t.test(`DLRM trains as on the CPU: ${name}`, async t => {
      const [cpu, device] = [tinyModel(options), tinyModel({ ...options, device: 'cuda' })]
      const batch = (step: number): Batch => {
        const { dense, ...rest } = batchOf(step)
        return options.dense === 0 ? rest : { dense, ...rest }
      }
      for (const model of [cpu, device]) {
        await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 16 })
        for (let step = 1; step <= 4; step++) await model.step(batch(step))
      }
      // Rounding to 8 or 11 bits turns last digits into whole places.
      sameState(t, device, cpu, options.tableDtype || options.precision ? 2e-2 : 1e-5)
      const [p, q] = [device.predictSync(batch(9)), cpu.predictSync(batch(9))]
      t.ok(p.every((x, i) => Math.abs(x - q[i]!) <= (options.tableDtype || options.precision ? 2e-2 : 1e-5)))
    })
  }

  t.test('weights of lookups and of examples count as on the CPU', async t => {
    const [cpu, device] = [tinyModel(), tinyModel({ device: 'cuda' })]
    for (const model of [cpu, device]) {
      await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 16 })
      for (let step = 1; step <= 4; step++) {
        const batch = tinyBatch(16, step)
        const g = new Generator(step)
        const tables = batch.tables.map((bags, t) =>
          t === 1 ? bags : { ...bags, weights: g.unit(bags.indices.length) },
        )
        await model.step({ ...batch, tables, weights: g.unit(16) })
      }
    }
    sameState(t, device, cpu)
  })

  t.test('quantised tables predict as on the CPU', async t => {
    for (const tables of ['int8', 'int4'] as const) {
      const [cpu, device] = [tinyModel(), tinyModel({ device: 'cuda' })]
      for (const model of [cpu, device]) await model.quantize({ tables })
      t.same(device.state(), cpu.state())
      t.equal(device.parameterBytes, cpu.parameterBytes)
      const [p, q] = [device.predictSync(tinyBatch(9)), cpu.predictSync(tinyBatch(9))]
      t.ok(p.every((x, i) => Math.abs(x - q[i]!) <= 1e-5))
    }
  })

  t.test('a model saved on one device goes on on the other', async t => {
    const file = join(t.testdir(), 'model.safetensors')
    const whole = tinyModel()
    const first = tinyModel({ device: 'cuda' })
    const optimizer = () => new SGD({ lr: 0.1 })
    for (const model of [whole, first]) await model.compile({ optimizer: optimizer(), maxBatch: 16 })
    await train(whole, 1, 9)
    await train(first, 1, 3)
    await first.save(file)
    const second = await DLRM.load(file)
    t.equal(second.device, 'cpu')
    t.same(second.state(), first.state())
    await second.compile({ optimizer: optimizer(), maxBatch: 16 })
    await train(second, 4, 6)
    await second.save(file)
    const third = await DLRM.load(file, { device: 'cuda' })
    await third.compile({ optimizer: optimizer(), maxBatch: 16 })
    await train(third, 7, 9)
    sameState(t, third, whole)
  })

  t.test('a run stopped on one device is resumed on the other', async t => {
    const dir = t.testdir()
    const file = join(dir, 'clicks.txt')
    writeCriteo(file, { rows: 500, seed: 9 })
    const data = await openCriteo(file, { hashSize: 50 })
    t.teardown(() => data.close())
    const run = async (device: Device, folder: string, stopAt = 0, resume = false) => {
      const tables = data.schema.tableSizes
      const model = new DLRM({ dense: 13, tables, embeddingDim: 4, bottom: [16], top: [16], device })
      const stop = new AbortController()
      const result = await model.fit(data, {
        batchSize: 50,
        optimizer: new Adam({ lr: 0.01, eps: 1e-3 }), // 1e-8 makes steps of rounding errors
        checkpoint: { dir: join(dir, folder), every: 100 },
        resume,
        signal: stop.signal,
        onProgress: ({ step }) => step === stopAt && stop.abort(),
      })
      return { model, result }
    }
    const whole = await run('cpu', 'whole')
    await run('cuda', 'moved', 4)
    const { model, result } = await run('cpu', 'moved', 0, true)
    t.equal(result.steps, whole.result.steps)
    sameState(t, model, whole.model)
    const [auc, expected] = [result, whole.result].map(({ history }) => history.at(-1)!.valid.auc!)
    t.ok(Math.abs(auc! - expected!) < 1e-3, `AUC ${auc}, ${expected}`)
  })

  t.test('dlrm train, eval and predict --use-gpu', async t => {
    const file = join(t.testdir(), 'clicks.txt')
    const saved = join(t.testdirName, 'model.safetensors')
    writeCriteo(file, { rows: 200, seed: 9 })
    const shape = ['--arch-sparse-feature-size=4', '--arch-mlp-bot=13-8-4', '--arch-mlp-top=8-1']
    const line = [
      'train',
      `--data=${file}`,
      '--hash-size=50',
      '--mini-batch-size=50',
      `--save-model=${saved}`,
      ...shape,
    ]
    t.match(await runCli([...line, '--use-gpu']), { code: 0, err: '' })
    for (const command of [
      ['eval', `--load-model=${saved}`, `--raw-data-file=${file}`],
      ['predict', `--load-model=${saved}`, file],
    ]) {
      const [there, here] = [await runCli([...command, '--use-gpu']), await runCli(command)]
      t.match(there, { code: 0, err: '' })
      const numbers = ({ out }: { out: string }) => out.match(/0\.\d+/g)!.map(Number)
      t.equal(numbers(there).length, numbers(here).length)
      t.ok(
        numbers(there).every((x, i) => Math.abs(x - numbers(here)[i]!) < 1e-3),
        command[0],
      )
    }
  })

  t.test('what does not fit into its memory is told, and nothing is lost', async t => {
    const huge = { tables: [2 ** 31 - 1, 7, 1], embeddingDim: 64, device: 'cuda' as const }
    const { code, message } = errorOf(() => tinyModel(huge))
    t.equal(code, 'ERR_MEMORY')
    t.match(message, /^cuda: memory: the GPU's memory has run out/)
    const model = tinyModel({ device: 'cuda' })
    await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 16 })
    await t.rejects(model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 2 ** 32 }), { code: 'ERR_MEMORY' })
    t.equal((await train(model, 1, 3)).length, 3)
  })

  t.test('pruned through copies on the host', async t => {
    const [cpu, device] = [tinyModel(), tinyModel({ device: 'cuda' })]
    for (const model of [cpu, device]) await model.prune(0.5)
    t.same(device.state(), cpu.state())
    t.same(device.sparsity(), cpu.sparsity())
  })

  t.test('steps started together run in their order', async t => {
    const [one, other] = [tinyModel({ device: 'cuda' }), tinyModel({ device: 'cuda' })]
    for (const model of [one, other]) await model.compile({ optimizer: new SGD({ lr: 0.1 }), maxBatch: 16 })
    const together = await train(one, 1, 8)
    const alone: number[] = []
    for (let step = 1; step <= 8; step++) alone.push(...(await train(other, step, step)))
    t.same(together, alone)
    t.same(one.state(), other.state())
  })
})
