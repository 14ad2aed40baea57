/**
 * Are the golden files what we take them for? A plain float64 forward pass over parameters and batches made from the seeds
 * must give PyTorch's first loss and predictions; over the final parameters, its final predictions.
 */
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Bags, Batch } from '../../lib/data/batch.js'
import { openSafetensors } from '../../lib/format/safetensors.js'
import { type GoldenConfig, loadGolden, type Tensor } from '../support/golden.js'

type State = Map<string, Tensor>

function mlp(state: State, prefix: string, input: number[], last: (x: number) => number): number[] {
  let x = input
  for (let i = 0; state.has(`${prefix}.${i}.weight`); i += 2) {
    const { shape, data: w } = state.get(`${prefix}.${i}.weight`)!
    const bias = state.get(`${prefix}.${i}.bias`)!.data
    const act = state.has(`${prefix}.${i + 2}.weight`) ? (v: number) => Math.max(v, 0) : last
    x = Array.from(bias, (b, m) => act(x.reduce((sum, v, k) => sum + v * w[m * shape[1] + k], b)))
  }
  return x
}

function pool(
  c: GoldenConfig,
  state: State,
  table: number,
  { offsets, indices, weights }: Bags,
  example: number,
): number[] {
  const e = c.embeddingDim
  const rows = Array.from(indices.slice(Number(offsets[example]), Number(offsets[example + 1])), Number)
  const scale = rows.map((r, i) =>
    c.weightedPooling ? state.get(`v_W_l.${table}`)!.data[r] : weights ? weights[Number(offsets[example]) + i] : 1,
  )
  const value = (r: number, d: number) => state.get(`emb_l.${table}.weight`)!.data[r * e + d]
  return Array.from({ length: e }, (_, d) => {
    if (rows.length === 0) return 0
    if (c.pooling === 'max') return Math.max(...rows.map(r => value(r, d)))
    const sum = rows.reduce((s, r, i) => s + scale[i] * value(r, d), 0)
    return c.pooling === 'mean' ? sum / rows.length : sum
  })
}

function predict(c: GoldenConfig, state: State, batch: Batch): number[] {
  return Array.from({ length: batch.size }, (_, b) => {
    const dense = Array.from(batch.dense!.slice(b * c.dense, (b + 1) * c.dense))
    const x = mlp(state, 'bot_l', dense, v => Math.max(v, 0))
    const vectors = [x, ...batch.tables.map((bags, k) => pool(c, state, k, bags, b))]
    const dots: number[] = []
    for (let i = 0; i < vectors.length; i++) {
      for (let j = 0; j < (c.interactionItself ? i + 1 : i); j++) {
        dots.push(vectors[i].reduce((s, v, d) => s + v * vectors[j][d], 0))
      }
    }
    const z = c.interaction === 'cat' ? vectors.flat() : [...x, ...dots]
    const [p] = mlp(state, 'top_l', z, v => 1 / (1 + Math.exp(-v)))
    return c.lossThreshold > 0 ? Math.min(Math.max(p, c.lossThreshold), 1 - c.lossThreshold) : p
  })
}

function loss(c: GoldenConfig, p: number[], labels: Float32Array): number {
  const each = p.map((x, i) => {
    const y = labels[i]
    if (c.loss === 'mse') return (x - y) ** 2
    const bce = -(y * Math.log(x) + (1 - y) * Math.log(1 - x))
    return c.loss === 'bce' ? bce : c.lossWeights[y] * bce
  })
  return each.reduce((a, b) => a + b) / each.length
}

const close = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  a.length === b.length && Array.from(a).every((x, i) => Math.abs(x - b[i]) <= 1e-7 * Math.abs(b[i]))

t.test('seeds, layout and definitions agree with PyTorch', async t => {
  const cases = loadGolden()
  t.equal(cases.length, 20)
  for (const { config, initial, batches, expected } of cases) {
    const p = predict(config, initial, batches[0])
    t.ok(close(p, expected.predictions), `${config.name}: predictions`)
    t.ok(close([loss(config, p, batches[0].labels!)], [expected.losses[0]]), `${config.name}: first loss`)
    // Final parameters are rounded to float32, which the way to a prediction may magnify.
    const after = predict(config, expected.final, batches[0])
    t.ok(
      after.every((x, i) => Math.abs(x - expected.finalPredictions[i]) < 1e-6),
      `${config.name}: final predictions`,
    )
    t.equal(batches.length, expected.losses.length)
    t.ok(
      [...initial].every(([name, { data }]) => data.some((x, i) => x !== expected.final.get(name)!.data[i])),
      `${config.name}: every parameter learns`,
    )
  }
  const bags = cases.flatMap(c => c.batches.flatMap(b => b.tables))
  t.ok(bags.some(({ offsets }) => offsets.some((x, i) => i > 0 && x === offsets[i - 1])))
  t.ok(bags.some(({ indices }) => new Set(indices as Int32Array).size < indices.length))
})

t.test('a state_dict saved by Python is readable', async t => {
  const { config, expected } = loadGolden()[0]
  const file = await openSafetensors(fileURLToPath(new URL('./dlrm.safetensors', import.meta.url)))
  t.teardown(() => file.close())
  t.strictSame([...file.tensors.keys()].sort(), [...expected.final.keys()].sort(), config.name)
  for (const [name, { shape, data }] of expected.final) {
    t.strictSame(file.tensors.get(name)!.shape, shape)
    t.strictSame(await file.read(name), data)
  }
})
