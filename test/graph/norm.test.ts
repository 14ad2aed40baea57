import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import tap from 'tap'
import { clicks } from '../../lib/graph/heads.js'
import { type Batch, defineModel, type Model, ops, SGD, type Tensor, threads } from '../../lib/index.js'
import { native } from '../../lib/native.js'
import { Generator } from '../support/generator.js'

interface Golden {
  name: string
  norm: 'none' | 'batch' | 'layer'
  activation: 'relu' | 'tanh' | 'gelu' | 'prelu'
  groups?: number
  initial: { [name: string]: { shape: number[]; data: number[] } }
  final: Golden['initial']
  batches: { dense: number[]; labels: number[] }[]
  losses: number[]
  predictions: number[]
}
const B = 9
const path = new URL('../golden/norm.json', import.meta.url)
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden[]

const toBatch = ({ dense, labels }: { dense: ArrayLike<number>; labels: ArrayLike<number> }): Batch => {
  return { size: labels.length, dense: Float32Array.from(dense), tables: [], labels: Float32Array.from(labels) }
}

function expectClose(
  t: { ok(value: unknown, message: string): boolean },
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  tolerance: number,
  what: string,
) {
  const scale = Math.max(1, ...Array.from(want, Math.abs))
  const worst = Math.max(...Array.from(want, (value, i) => Math.abs(got[i]! - value)))
  t.ok(got.length === want.length && worst <= tolerance * scale, `${what}: ${worst}`)
}

for (const isa of native.isas()) {
  for (const { name, norm, activation, groups, ...run } of golden) {
    tap.test(`${name} trains and predicts as in PyTorch, ${isa}`, async t => {
      const Towers = defineModel({
        kind: 'towers',
        about: 'a tower and a head',
        options: {},
        graph: g => {
          const x = groups ? ops.layerNorm(g, 'fields', g.dense, { groups }) : g.dense
          const deep = ops.tower(g, 'deep', x, { layers: [7, 5], norm, activation })
          return clicks(g, ops.mlp(g, 'head', deep, { layers: [1], last: 'none' }))
        },
      })
      const model = new Towers({ dense: 6, tables: [], isa })
      const entries = Object.entries(run.initial)
      const initial = new Map<string, Tensor>(
        entries.map(([name, { shape, data }]) => [name, { shape, data: Float32Array.from(data) }]),
      )
      t.same(new Set(model.state().keys()), new Set(initial.keys()), 'the names of the parameters')
      const trained = entries.filter(([name]) => !name.includes('running_'))
      t.equal(
        model.parameterCount,
        trained.reduce((sum, [, { data }]) => sum + data.length, 0),
        'statistics are not counted',
      )
      model.loadState(initial)
      await model.compile({ optimizer: new SGD({ lr: 0.5 }), maxBatch: B })
      const losses: number[] = []
      for (const batch of run.batches) losses.push(await model.step(toBatch(batch)))
      expectClose(t, losses, run.losses, 1e-5, 'losses')
      const state = model.state()
      for (const [name, { data }] of Object.entries(run.final)) expectClose(t, state.get(name)!.data, data, 2e-5, name)
      const first = toBatch(run.batches[0]!)
      const predictions = await model.predict(first)
      expectClose(t, predictions, run.predictions, 2e-5, 'predictions')

      const file = join(t.testdir(), 'model.safetensors')
      await model.save(file)
      const loaded = await Towers.load(file, { isa })
      t.same(await loaded.predict(first), predictions, 'a loaded model predicts the same')
      t.same(loaded.state(), state)
    })
  }
}

tap.test('dropout: repeatable, different from step to step, absent from predictions', async t => {
  const r = new Generator(5)
  const batch = toBatch({ dense: r.symmetric(70 * 6, 1), labels: r.below(70, 2) })
  const make = (rate: number, norm: 'none' | 'batch' | 'layer', seed = 1): Model => {
    const Dropping = defineModel({
      kind: 'dropping',
      about: 'towers that drop',
      options: {},
      graph: g => {
        const both = ops.concat(g, 'both', [g.dense, ops.dropout(g, 'input', g.dense, { rate })])
        const deep = ops.tower(g, 'deep', ops.dropout(g, 'again', both, { rate }), {
          layers: [67, 9],
          norm,
          dropout: rate,
        })
        return clicks(g, ops.tower(g, 'head', deep, { layers: [1], last: 'none' }))
      },
    })
    return new Dropping({ dense: 6, tables: [], seed })
  }
  const train = async (model: Model, lr: number, count: number) => {
    await model.compile({ optimizer: new SGD({ lr }), maxBatch: 70 })
    for (let i = 0; i < 3; i++) await model.step(batch)
    threads(count)
    const losses: number[] = []
    for (let i = 0; i < 3; i++) losses.push(await model.step(batch))
    return losses
  }
  const before = threads()
  t.teardown(() => threads(before))
  for (const norm of ['none', 'batch', 'layer'] as const) {
    const one = make(0.4, norm)
    const losses = await train(one, 0.1, 1)
    const four = make(0.4, norm)
    t.same(await train(four, 0.1, 4), losses, `${norm}: the same for any number of threads`)
    t.same(four.state(), one.state())
    const still = await train(make(0.4, norm), 0, 1)
    t.equal(new Set(still).size, 3, `${norm}: each step drops others`)
    t.notSame(await train(make(0.4, norm, 2), 0, 1), still, `${norm}: and so does each seed`)
    const plain = make(0, norm)
    // Its layers are fused where nothing drops, under other names.
    const values = [...four.state().values()]
    plain.loadState(new Map([...plain.state().keys()].map((name, i) => [name, values[i]!])))
    expectClose(t, await four.predict(batch), await plain.predict(batch), 1e-6, `${norm}: predictions`)
    t.same(await four.predict(batch), (await four.evaluate(batch)).predictions)
  }
})

tap.test('options that make no sense', async t => {
  const build = (body: (g: Parameters<typeof ops.tower>[0]) => ReturnType<typeof ops.tower>) =>
    new (defineModel({ kind: 'bad', about: '', options: {}, graph: g => clicks(g, body(g)) }))({ dense: 6, tables: [] })
  const head = { layers: [1], last: 'none' } as const
  t.throws(() => build(g => ops.mlp(g, 'm', ops.dropout(g, 'd', g.dense, { rate: 1 }), head)), { code: 'ERR_ARGUMENT' })
  t.throws(() => build(g => ops.tower(g, 'm', ops.layerNorm(g, 'n', g.dense, { groups: 4 }), head)), {
    code: 'ERR_SHAPE',
  })
  t.throws(() => build(g => ops.tower(g, 'm', g.dense, { layers: [1], activation: 'swish' as 'relu' })), {
    code: 'ERR_ARGUMENT',
  })
  for (const norm of ['none', 'batch'] as const)
    t.throws(() => build(g => ops.tower(g, 'm', g.dense, { layers: [], norm })), { code: 'ERR_ARGUMENT' })
})
