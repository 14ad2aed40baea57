import t from 'tap'
import { benchCases, opsWithoutCase } from '../bench/cases.js'
import { measure } from '../bench/measure.js'
import { Adagrad, Adam, RowWiseAdagrad, SGD } from '../lib/index.js'
import * as kernels from '../lib/kernels.js'
import { native } from '../lib/native.js'
import { ByKernels } from './support/by_kernels.js'
import { Generator } from './support/generator.js'
import { loadGolden } from './support/golden.js'

const f = (...values: number[]) => Float32Array.from(values)
const i = (...values: number[]) => Int32Array.from(values)

/** The largest difference, as a share of 1 + |b|. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  let worst = 0
  for (let k = 0; k < a.length; k++) {
    const d = Math.abs(a[k]! - b[k]!) / (1 + Math.abs(b[k]!))
    if (!(d <= worst)) worst = d
  }
  return worst
}

t.test('the registry and the instruction sets', async t => {
  t.ok(kernels.names().length >= 9)
  t.same(kernels.names(), [...kernels.names()].sort())
  for (const name of kernels.names()) {
    const camel = name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())
    t.type((kernels as Record<string, unknown>)[camel], 'function', `kernels.${camel}`)
  }
  t.equal(kernels.isas()[0], 'scalar')
})

for (const isa of kernels.isas()) {
  t.test(`values computed by hand, ${isa}`, async t => {
    const on = { isa }
    const layers = [
      { weight: f(1, 2, -1, 1), bias: f(0.5, -4) },
      { weight: f(2, 3), bias: f(1) },
    ]
    // z = [1*1 + 2*2 + .5, -1*1 + 1*2 - 4] = [5.5, -3] -> relu [5.5, 0] -> 2 * 5.5 + 1
    const net = { batch: 1, x: f(1, 2), layers, last: 'none' as const }
    t.same(kernels.mlp(net, on).out, f(12))
    const back = kernels.mlpBackward({ ...net, dout: f(10) }, on)
    t.same(back.dx, f(20, 40))
    t.same(back.layers[0], { dweight: f(20, 40, 0, 0), dbias: f(20, 0) })
    t.same(back.layers[1], { dweight: f(55, 0), dbias: f(10) })
    const bare = { batch: 1, x: f(0.5, 1), layers: [{ weight: f(1, 2, -1, 1) }], last: 'tanh' as const }
    const [y0, y1] = [Math.tanh(2.5), Math.tanh(0.5)]
    t.ok(distance(kernels.mlp(bare, on).out, [y0, y1]) < 1e-6, 'no bias, tanh')
    const plain = kernels.mlpBackward({ ...bare, dout: f(1, 0) }, on)
    t.ok(distance(plain.dx, [1 - y0 * y0, 2 - 2 * y0 * y0]) < 1e-6)
    t.equal(plain.layers[0]!.dbias, undefined)

    const pairs = { batch: 1, width: 2, x: f(1, 2), e: f(3, 4, 5, 6) }
    t.same(kernels.interactionDot(pairs, on).out, f(1, 2, 11, 17, 39))
    t.same(kernels.interactionDot({ ...pairs, itself: true }, on).out, f(1, 2, 5, 11, 25, 17, 39, 61))
    t.same(kernels.interactionDot({ ...pairs, x: undefined }, on).out, f(39))
    const dpairs = kernels.interactionDotBackward({ ...pairs, dout: f(0.5, 0, 1, 0, 2) }, on)
    t.same(dpairs.dx, f(3.5, 4))
    t.same(dpairs.de, f(11, 14, 6, 8))
    const without = kernels.interactionDotBackward({ ...pairs, x: undefined, dout: f(2) }, on)
    t.equal(without.dx, undefined)
    t.same(without.de, f(10, 12, 6, 8))

    const weight = f(1, 2, 3, 4, 5, 6)
    const table = { weight, offsets: i(0, 2, 2, 3), indices: i(0, 2, 1) }
    t.same(kernels.embeddingBag({ tables: [table], width: 2 }, on).out, f(6, 8, 0, 0, 3, 4))
    t.same(kernels.embeddingBag({ tables: [table], width: 2, mode: 'mean' }, on).out, f(3, 4, 0, 0, 3, 4))
    const max = kernels.embeddingBag({ tables: [table], width: 2, mode: 'max' }, on)
    t.same(max.out, f(5, 6, 0, 0, 3, 4))
    t.same(max.positions, i(1, 1, -1, -1, 2, 2))
    const long = { ...table, offsets: BigInt64Array.of(0n, 2n, 2n, 3n), indices: BigInt64Array.of(0n, 2n, 1n) }
    const weighted = { tables: [{ ...long, weights: f(2, -1, 0.5) }], width: 2 }
    t.same(kernels.embeddingBag(weighted, on).out, f(-3, -2, 0, 0, 1.5, 2))
    const dout = f(1, 0, 9, 9, 0, 1)
    t.same(kernels.embeddingBagBackward({ ...weighted, dout }, on).dlookup, [f(1, 5, 4)])
    const factors = { tables: [{ ...table, rowWeights: f(2, 0.5, -1) }], width: 2 }
    t.same(kernels.embeddingBag(factors, on).out, f(-3, -2, 0, 0, 1.5, 2))
    t.same(kernels.embeddingBagBackward({ ...factors, dout }, on).dlookup, [f(1, 5, 4)])

    const fields = { batch: 1, width: 2, x: f(1, 2, 3, 4, 5, 6) }
    t.same(kernels.fmPair(fields, on).out, f(11 + 17 + 39))
    t.same(kernels.fmPair({ ...fields, vector: true }, on).out, f(3 + 5 + 15, 8 + 12 + 24))
    t.same(kernels.fmPairBackward({ ...fields, dout: f(2) }, on).dx, f(16, 20, 12, 16, 8, 12))
    t.same(kernels.fmPairBackward({ ...fields, vector: true, dout: f(2, 0) }, on).dx, f(16, 0, 12, 0, 8, 0))

    const fwfm = { ...fields, weight: f(2, 0, -1) } // 2 <v_1, v_0> - <v_2, v_1>
    t.same(kernels.fieldWeightedPair(fwfm, on).out, f(22 - 39))
    const dweighted = kernels.fieldWeightedPairBackward({ ...fwfm, dout: f(2) }, on)
    t.same(dweighted.dx, f(12, 16, 4 - 10, 8 - 12, -6, -8))
    t.same(dweighted.dweight, f(22, 34, 78))
    // v_0,1 = 1, v_0,2 = 2, v_1,0 = 3, v_1,2 = 4, v_2,0 = 5, v_2,1 = 6: 1*3 + 2*5 + 4*6
    const aware = { ...fields, width: 1 }
    t.same(kernels.ffmPair(aware, on).out, f(37))
    t.same(kernels.ffmPairBackward({ ...aware, dout: f(2) }, on).dx, f(6, 10, 2, 12, 4, 8))
    const numeric = { batch: 2, x: f(1, 2, 3, 4), weight: f(1, 10, 100, 1000) }
    t.same(kernels.numericEmbedding(numeric, on).out, f(1, 10, 200, 2000, 3, 30, 400, 4000))
    const dnumeric = kernels.numericEmbeddingBackward({ ...numeric, dout: f(1, 0, 0, 1, 0, 1, 1, 0) }, on)
    t.same([dnumeric.dx, dnumeric.dweight], [f(1, 1000, 10, 100), f(1, 3, 4, 2)])

    const product = { x: f(1, 2), y: f(3, 4) }
    t.same(kernels.mul(product, on).out, f(3, 8))
    const dproduct = kernels.mulBackward({ ...product, dout: f(10, 100) }, on)
    t.same([dproduct.dx, dproduct.dy], [f(30, 400), f(10, 200)])
    t.ok(distance(kernels.exp({ x: f(0, 1, -100) }, on).out, [1, Math.E, Math.exp(-87)]) < 1e-6)
    t.ok(distance(kernels.expBackward({ x: f(0, 1), dout: f(2, 3) }, on).dx, [2, 3 * Math.E]) < 1e-6)
    t.same([...kernels.sqrt({ x: f(4, 0, -1) }, on).out], [2, 0, 0])
    t.same([...kernels.sqrtBackward({ x: f(4, 0), dout: f(2, 3) }, on).dx], [0.5, 0])
    const part = { batch: 2, x: f(1, 2, 3, 4, 5, 6), start: 1, length: 2 }
    t.same(kernels.slice(part, on).out, f(2, 3, 5, 6))
    t.same(kernels.sliceBackward({ ...part, dout: f(1, 2, 3, 4) }, on).dx, f(0, 1, 2, 0, 3, 4))
    t.same(kernels.add({ inputs: [f(1, 2), f(10, 20), f(100, 200)] }, on).out, f(111, 222))
    t.same(kernels.addBackward({ count: 2, dout: f(1, 2) }, on).dinputs, [f(1, 2), f(1, 2)])
    // Three columns, the first and the last of one table; widths 2, 1 and 2; sum, mean and max.
    const one = { weight: f(10, 20, 30), offsets: i(0, 1, 3, 3), indices: i(2, 0, 1), width: 1, mode: 'mean' as const }
    const last = { ...table, offsets: i(0, 0, 2, 3), indices: i(1, 0, 2), mode: 'max' as const }
    const mixed = { tables: [table, one, last], width: 2 }
    const pooled = kernels.embeddingBag(mixed, on)
    t.same(pooled.out, f(6, 8, 30, 0, 0, 0, 0, 15, 3, 4, 3, 4, 0, 5, 6))
    t.same(pooled.positions, i(-1, -1, 0, 0, 2, 2))
    const dmixed = f(1, 2, 3, 0, 0, 0, 0, 4, 5, 6, 7, 8, 0, 9, 10)
    const shared = { ...table, weight: weight.slice(), state: [f(0, 0, 0, 0, 0, 0)] }
    const single = { ...one, weight: f(0, 0, 0), state: [f(0, 0, 0)] }
    const tables = [shared, single, { ...last, weight: shared.weight }]
    const adagrad = new Adagrad({ lr: 1, eps: 0 })
    kernels.embeddingUpdate({ tables, width: 2, dout: dmixed, positions: pooled.positions, optimizer: adagrad }, on)
    // Row 0: bag 0 of the first column only, its lookup in the last one lost; row 1: two bags; row 2: two bags.
    t.same(shared.state[0], f(1, 4, 12 ** 2, 14 ** 2, 10 ** 2, 12 ** 2))
    t.same(shared.weight, f(0, 1, 2, 3, 4, 5))
    t.same(single.state[0], f(4, 4, 9))

    const linear = {
      tables: [
        { weight: f(1, 2, 3), offsets: i(0, 2, 2, 3), indices: i(0, 2, 1) },
        { ...one, width: undefined },
      ],
    }
    t.same(kernels.linearBag({ ...linear, bias: f(0.5) }, on).out, f(34.5, 15.5, 2.5))
    t.same(kernels.linearBagBackward({ ...linear, bias: f(0.5), dout: f(1, 2, 4) }, on).dbias, f(7))
    const factored = { tables: [{ ...linear.tables[0]!, weights: f(2, -1, 0.5) }] }
    t.same(kernels.linearBag(factored, on).out, f(-1, 0, 1))
    t.same(kernels.linearBagBackward({ ...factored, dout: f(1, 2, 4) }, on).dlookup, [f(1, 3, 8)])

    t.same(kernels.concat({ batch: 2, inputs: [f(1, 2), f(3, 4, 5, 6)] }, on).out, f(1, 3, 4, 2, 5, 6))
    t.same(kernels.concatBackward({ batch: 2, widths: [1, 2], dout: f(1, 3, 4, 2, 5, 6) }, on).dinputs, [
      f(1, 2),
      f(3, 4, 5, 6),
    ])
    const drawn = { batch: 50, x: new Float32Array(50 * 70).fill(3), rate: 0.25, key: 5, step: 2 }
    const dropped = kernels.dropout(drawn, on).out
    t.same(new Set(dropped), new Set([0, 4]))
    t.same(dropped, kernels.dropout(drawn, { isa: 'scalar', threads: 3 }).out, 'the same on every instruction set')
    t.notSame(dropped, kernels.dropout({ ...drawn, step: 3 }, on).out)
    t.notSame(dropped, kernels.dropout({ ...drawn, key: 6 }, on).out)
    const share = dropped.filter(value => value === 0).length / dropped.length
    t.ok(Math.abs(share - 0.25) < 4 * Math.sqrt((0.25 * 0.75) / dropped.length), `${share} dropped`)
    t.same(kernels.dropoutBackward({ ...drawn, dout: drawn.x }, on).dx, dropped)
    t.ok(distance(kernels.sigmoid({ x: f(0, Math.log(3)) }, on).out, [0.5, 0.75]) < 1e-6)
    t.same(kernels.sigmoid({ x: f(-9, 9), threshold: 0.25 }, on).out, f(0.25, 0.75))
    t.ok(distance(kernels.sigmoidBackward({ x: f(0, Math.log(3)), dout: f(4, 16) }, on).dx, [1, 3]) < 1e-6)
    const small = {
      quotientWeight: f(1, 2, 3, 4),
      remainderWeight: f(5, 6, 7, 8),
      quotients: i(0, 1),
      remainders: i(1, 0),
    }
    const qr = { batch: 1, width: 2, tables: [{ ...small, offsets: i(0, 2) }] }
    t.same(kernels.qrEmbeddingBag(qr, on).out, f(22, 40))
    t.same(kernels.qrEmbeddingBag({ ...qr, poolFirst: true }, on).out, f(48, 84))
    t.same(kernels.qrEmbeddingBag({ ...qr, operation: 'add', mode: 'mean' }, on).out, f(8, 10))
    t.same(kernels.qrEmbeddingBag({ ...qr, operation: 'concat' }, on).out, f(4, 6, 12, 14))
    const { dquotients, dremainders } = kernels.qrEmbeddingBagBackward({ ...qr, dout: f(1, 10) }, on)
    t.same([dquotients, dremainders], [[f(7, 80, 5, 60)], [f(1, 20, 3, 40)]])
    const bce = { logits: f(0, Math.log(3)), labels: f(1, 0) }
    t.ok(distance([kernels.bceLoss(bce, on).loss], [(Math.log(2) + Math.log(4)) / 2]) < 1e-6)
    t.ok(distance(kernels.bceLossBackward({ ...bce, dloss: 2 }, on).dlogits, [-0.5, 0.75]) < 1e-6)
    t.ok(distance(kernels.bceLossBackward({ ...bce, classWeights: [2, 4] }, on).dlogits, [-1, 0.75]) < 1e-6)
    t.ok(distance(kernels.bceLossBackward({ ...bce, weights: f(2, 4) }, on).dlogits, [-0.5, 1.5]) < 1e-6)
    t.equal(kernels.mseLoss({ p: f(1, 3), labels: f(0, 1) }, on).loss, 2.5)
    t.equal(kernels.mseLoss({ p: f(1, 3), labels: f(0, 1), weights: f(3, 0) }, on).loss, 1.5)
    t.same(kernels.mseLossBackward({ p: f(1, 3), labels: f(0, 1), weights: f(3, 0) }, on).dp, f(3, 0))
    t.same(kernels.mseLossBackward({ p: f(1, 3), labels: f(0, 1) }, on).dp, f(1, 2))
  })

  t.test(`updates computed by hand, in place, ${isa}`, async t => {
    const on = { isa }
    const lookups = { offsets: i(0, 2), indices: i(1, 1) } // row 1 twice: its gradients add up
    const bags = { width: 2, dout: f(1, 2) }
    const sgd = f(1, 1, 1, 1)
    kernels.embeddingUpdate({ ...bags, tables: [{ weight: sgd, ...lookups }], optimizer: new SGD({ lr: 0.25 }) }, on)
    t.same(sgd, f(1, 1, 0.5, 0))
    const [weight, state] = [f(1, 1, 1, 1), [f(0, 0)]]
    const rowWise = new RowWiseAdagrad({ lr: 0.5, eps: 0 })
    kernels.embeddingUpdate({ ...bags, tables: [{ weight, state, ...lookups }], optimizer: rowWise }, on)
    t.same(state, [f(0, 10)]) // mean of [2, 4]^2
    t.ok(distance(weight, [1, 1, 1 - 1 / Math.sqrt(10), 1 - 2 / Math.sqrt(10)]) < 1e-6)

    const [w, moments] = [f(1, 1), [f(0, 0), f(0, 0)]]
    const adam = new Adam({ lr: 0.125, eps: 0 })
    kernels.denseUpdate({ tensors: [{ w, g: f(3, -2), state: moments }], optimizer: adam }, on)
    t.ok(distance(w, [0.875, 1.125]) < 1e-6, 'the first step of Adam is lr')
    t.ok(distance(moments[1]!, [0.009, 0.004]) < 1e-6)
    const [a, sums] = [f(1, 1), [f(0, 0)]]
    const adagrad = new Adagrad({ lr: 0.5, eps: 0, lrDecay: 1 })
    const g = f(2, -4)
    kernels.denseUpdate({ tensors: [{ w: a, g, state: sums }], optimizer: adagrad, step: 2 }, on)
    t.same([a, sums, g], [f(0.75, 1.25), [f(4, 16)], f(2, -4)])
    const [m, momentum] = [f(1), [f(2)]]
    const tensors = [{ w: m, g: f(1), state: momentum }]
    kernels.denseUpdate({ tensors, optimizer: new SGD({ lr: 0.5, momentum: 0.5 }) }, { ...on, repeats: 2 })
    t.same([m, momentum], [f(-1), [f(2)]])
  })

  t.test(`plain loops on odd shapes, ${isa}`, async t => {
    for (const [batch, inputs, widths] of [
      [1, 1, [1]],
      [3, 13, [7, 33]],
      [65, 31, [127, 5, 1]],
      [2, 300, [17]],
    ] as const) {
      const r = new Generator(batch)
      const layers = widths.map((n, l) => {
        return { weight: r.symmetric(n * (l ? widths[l - 1]! : inputs), 0.5), bias: r.symmetric(n, 1) }
      })
      const x = r.symmetric(batch * inputs, 1)
      for (const last of ['relu', 'sigmoid', 'none'] as const) {
        const got = kernels.mlp({ batch, x, layers, last }, { isa }).out
        const many = kernels.mlp({ batch, x, layers, last }, { isa, threads: 3 }).out
        t.ok(distance(got, plainMlp(batch, x, layers, last)) < 1e-5, `mlp ${batch}x${inputs}-${widths} ${last}`)
        t.same(many, got)
      }
    }
    for (const [batch, tables, width] of [
      [1, 1, 1],
      [3, 4, 7],
      [35, 26, 16],
      [2, 9, 129],
    ] as const) {
      const r = new Generator(width)
      const [x, e] = [r.symmetric(batch * width, 1), r.symmetric(batch * tables * width, 1)]
      for (const itself of [false, true]) {
        for (const given of [x, undefined]) {
          if (!given && !itself && tables === 1) continue
          const { out } = kernels.interactionDot({ batch, width, x: given, e, itself }, { isa, threads: 2 })
          t.ok(distance(out, plainInteraction(batch, width, given, e, itself)) < 1e-5, `${batch} ${tables} ${width}`)
        }
      }
    }
    for (const width of [1, 5, 16, 67]) {
      const r = new Generator(width)
      const tables = [40, 1].map(rows => {
        const counts = r.below(33, 4)
        const offsets = Int32Array.from([0, ...counts.map((_, b) => counts.slice(0, b + 1).reduce((p, q) => p + q, 0))])
        return { weight: r.symmetric(rows * width, 1), offsets, indices: r.below(offsets[33]!, rows) }
      })
      const out = kernels.embeddingBag({ tables, width }, { isa, threads: 2 }).out
      t.ok(distance(out, plainBags(tables, width)) < 1e-6, `embedding_bag of width ${width}`)
    }
  })

  t.test(`one kernel after the other trains as PyTorch does, ${isa}`, async t => {
    for (const { config, initial, batches, expected } of loadGolden()) {
      const model = new ByKernels(config, initial, { isa, threads: 2 })
      t.ok(distance(model.predict(batches[0]!), expected.predictions) < 1e-5, `${config.name}: predictions`)
      const losses = batches.map(batch => model.step(batch))
      t.ok(distance(losses, expected.losses) < 1e-5, `${config.name}: losses`)
      for (const [name, { data }] of expected.final) {
        t.ok(distance(model.parameter(name), data) < 1e-5, `${config.name}: ${name}`)
      }
    }
  })
}

function plainMlp(batch: number, x: Float32Array, layers: kernels.MlpLayer[], last: string): number[] {
  let y = Array.from(x)
  layers.forEach(({ weight, bias }, l) => {
    const [n, k] = [bias!.length, y.length / batch]
    const act = l + 1 < layers.length ? 'relu' : last
    y = Array.from({ length: batch * n }, (_, at) => {
      const [b, j] = [Math.floor(at / n), at % n]
      let z = bias![j]!
      for (let c = 0; c < k; c++) z += y[b * k + c]! * weight[j * k + c]!
      return act === 'relu' ? Math.max(z, 0) : act === 'sigmoid' ? 1 / (1 + Math.exp(-z)) : z
    })
  })
  return y
}

function plainInteraction(
  batch: number,
  width: number,
  x: Float32Array | undefined,
  e: Float32Array,
  itself: boolean,
): number[] {
  const out: number[] = []
  const columns = e.length / batch
  for (let b = 0; b < batch; b++) {
    const own = x ? [...x.subarray(b * width, (b + 1) * width)] : []
    const all = [...own, ...e.subarray(b * columns, (b + 1) * columns)]
    out.push(...own)
    for (let p = 0; p < all.length / width; p++) {
      for (let q = 0; q < (itself ? p + 1 : p); q++) {
        let dot = 0
        for (let k = 0; k < width; k++) dot += all[p * width + k]! * all[q * width + k]!
        out.push(dot)
      }
    }
  }
  return out
}

function plainBags(tables: { weight: Float32Array; offsets: Int32Array; indices: Int32Array }[], width: number) {
  const batch = tables[0]!.offsets.length - 1
  const out = new Float64Array(batch * tables.length * width)
  tables.forEach(({ weight, offsets, indices }, t) => {
    for (let b = 0; b < batch; b++) {
      for (let k = offsets[b]!; k < offsets[b + 1]!; k++) {
        for (let c = 0; c < width; c++) out[(b * tables.length + t) * width + c]! += weight[indices[k]! * width + c]!
      }
    }
  })
  return out
}

t.test('what does not fit is refused with a code', async t => {
  const table = { weight: f(1, 2, 3, 4), offsets: i(0, 1), indices: i(1) }
  const bags = { tables: [table], width: 2 }
  const layers = [{ weight: f(1, 2), bias: f(1) }]
  const optimizer = new Adagrad()
  const detached = f(1, 2)
  structuredClone(detached.buffer, { transfer: [detached.buffer] })
  const cases: [string, string, () => unknown][] = [
    ['ERR_INDEX', 'index 2', () => kernels.embeddingBag({ ...bags, tables: [{ ...table, indices: i(2) }] })],
    ['ERR_INDEX', 'index -1', () => kernels.embeddingBag({ ...bags, tables: [{ ...table, indices: i(-1) }] })],
    ['ERR_OFFSETS', '', () => kernels.embeddingBag({ ...bags, tables: [{ ...table, offsets: i(0, 2) }] })],
    ['ERR_OFFSETS', '', () => kernels.embeddingBag({ ...bags, tables: [{ ...table, offsets: i(1, 1) }] })],
    [
      'ERR_SHAPE',
      'B + 1 = 2',
      () => kernels.embeddingBag({ ...bags, tables: [table, { ...table, offsets: i(0, 1, 1) }] }),
    ],
    ['ERR_SHAPE', 'multiple of E = 3', () => kernels.embeddingBag({ ...bags, width: 3 })],
    ['ERR_ARGUMENT', 'mode', () => kernels.embeddingBag({ ...bags, mode: 'min' as 'sum' })],
    ['ERR_ARGUMENT', 'tables', () => kernels.embeddingBag({ ...bags, tables: [] })],
    ['ERR_ARGUMENT', 'received neither', () => kernels.embeddingBagBackward({ ...bags, dout: f(1, 2) })],
    ['ERR_SHAPE', 'dout: expected B x sum of E = 1 x 2', () => kernels.embeddingBagBackward({ ...bags, dout: f(1) })],
    ['ERR_SHAPE', 'x: expected a multiple of B = 2', () => kernels.mlp({ batch: 2, x: f(1, 2, 3), layers })],
    ['ERR_SHAPE', 'layers[0].weight: expected N x K = 1 x 3', () => kernels.mlp({ batch: 1, x: f(1, 2, 3), layers })],
    ['ERR_ARGUMENT', 'batch', () => kernels.mlp({ batch: 0.5, x: f(1, 2), layers })],
    [
      'ERR_ARGUMENT',
      'x: expected a Float32Array, received an array',
      () => kernels.mlp({ batch: 1, x: [1, 2] as never, layers }),
    ],
    ['ERR_SHAPE', 'detached', () => kernels.mlp({ batch: 1, x: detached, layers })],
    ['ERR_ARGUMENT', 'last', () => kernels.mlp({ batch: 1, x: f(1, 2), layers, last: 'gelu' as 'none' })],
    ['ERR_SHAPE', 'dout', () => kernels.interactionDotBackward({ batch: 1, width: 1, e: f(1, 2), dout: f(1, 2) })],
    ['ERR_ARGUMENT', 'sse', () => kernels.sigmoid({ x: f(1) }, { isa: 'sse' as 'avx2' })],
    ['ERR_ARGUMENT', 'threads', () => kernels.sigmoid({ x: f(1) }, { threads: 0 })],
    ['ERR_ARGUMENT', 'repeats', () => kernels.sigmoid({ x: f(1) }, { repeats: 0 })],
    ['ERR_SHAPE', 'labels: expected B = 2', () => kernels.bceLoss({ logits: f(1, 2), labels: f(1) })],
    ['ERR_SHAPE', 'tables[0].state: expected 1', () => kernels.embeddingUpdate({ ...bags, dout: f(1, 2), optimizer })],
    ['ERR_ARGUMENT', 'optimizer', () => kernels.embeddingUpdate({ ...bags, dout: f(1, 2), optimizer: {} as Adagrad })],
    [
      'ERR_ARGUMENT',
      'positions',
      () => kernels.embeddingUpdate({ ...bags, mode: 'max', dout: f(1, 2), optimizer: new SGD() }),
    ],
    [
      'ERR_SHAPE',
      'tensors[0].state[0]: expected n = 1',
      () => kernels.denseUpdate({ tensors: [{ w: f(1), g: f(1), state: [f(1, 2)] }], optimizer }),
    ],
  ]
  for (const [code, text, body] of cases) {
    try {
      body()
      t.fail(`${code} ${text}: nothing was thrown`)
    } catch (error) {
      t.match(error, { name: 'DlrmError', code })
      t.ok((error as Error).message.includes(text), `"${(error as Error).message}" has "${text}"`)
    }
  }
  t.same(table.weight, f(1, 2, 3, 4))
})

t.test('each repeat is timed', async t => {
  const { nanoseconds, flops, bytes } = kernels.interactionDot(
    { batch: 4, width: 8, x: new Float32Array(32), e: new Float32Array(64) },
    { repeats: 5 },
  )
  t.equal(nanoseconds.length, 5)
  t.ok(nanoseconds.every(ns => ns > 0))
  t.same([flops, bytes], [4 * 2 * 3 * 8, 4 * 4 * (3 * 8 + 8 + 3)])
})

t.test('the benchmark has cases of every op, and all of them run', async t => {
  const cases = benchCases(true)
  t.same(opsWithoutCase(kernels.names(), cases), [])
  t.same(opsWithoutCase(['new_op', ...kernels.names()], cases), ['new_op'])
  for (const bench of cases) {
    for (const pass of bench.passes) {
      const isa = kernels.isas().at(-1)!
      const m = measure(bench, pass, { isa, threads: 2, seconds: 1e-4, cold: false })
      t.ok(m.median > 0 && m.share > 0 && m.peak > 0, `${m.op}, ${m.shape}, ${m.pass}`)
    }
  }
})

t.test('the probe of the peaks refuses sizes that make no sense', async t => {
  t.ok(native.probe('gather', { bytes: 4096, rowBytes: 4096, seconds: 0 }) > 0, 'one row')
  t.ok(native.probe('update', { bytes: 4096, rowBytes: 4, threads: 2, seconds: 0 }) > 0)
  t.ok(native.probe('read', { isa: 'scalar', bytes: 1 << 14, threads: 2, seconds: 0 }) > 0)
  for (const options of [{ bytes: 4095 }, { rowBytes: 6 }, { rowBytes: 1 << 21 }, { seconds: -1 }, { threads: 0 }]) {
    t.throws(() => native.probe('gather', options), { code: 'ERR_ARGUMENT' }, JSON.stringify(options))
  }
  t.throws(() => native.probe('write' as 'read', {}), { code: 'ERR_ARGUMENT' })
})
