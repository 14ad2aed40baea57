/**
 * What `npm run bench` times: for every op of the registry the shapes that matter. A new op adds its cases here, in
 * alphabetical order; the run fails for an op without one.
 */
import type { Attrs, OpCall, TableDtype } from '../lib/native.js'

export type Pass = 'forward' | 'backward' | 'update'

export interface BenchCase {
  op: string
  shape: string
  passes: Pass[]
  /** Made when it is timed: some take a gigabyte. */
  call(): OpCall
  /** Seconds of work, or of making it: not timed on scalar. */
  big?: boolean
  /** Products of bfloat16: the only cases that the instruction sets made for these are timed on. */
  bf16?: boolean
  /**
   * Random rows are what the op is made of: this many bytes each, so many of them in all, from T tables of R rows.
   * The caches are emptied before each repeat, since the next batch looks up other rows.
   */
  gather?: { rowBytes: number; lookups: number; tables: number; rows: number }
}

/** All cases; with `smoke` the same ones, tiny. */
export function benchCases(smoke: boolean): BenchCase[] {
  const batch = smoke ? 16 : 2048
  const rows = smoke ? 100 : 100_000
  return [
    ...losses(batch),
    ...cins(batch),
    ...crosses(batch),
    ...betweenLayers(smoke ? batch : 4096),
    ...denseUpdates(smoke ? 1000 : 530_000),
    ...embeddingBags(batch, rows),
    ...embeddingUpdates(batch, rows),
    ...interactions(batch),
    ...linearBags(batch, rows),
    ...mlps(batch, smoke),
    ...qrEmbeddingBags(batch, rows),
    ...fieldPairs(2 * batch),
    ...elementwise(2 * batch),
  ]
}

/** The ops that lack a case: forward and backward, or the update. */
export function opsWithoutCase(ops: readonly string[], cases: readonly BenchCase[]): string[] {
  return ops.filter(op => {
    const passes = cases.filter(bench => bench.op === op).flatMap(bench => bench.passes)
    return !passes.includes('update') && !(passes.includes('forward') && passes.includes('backward'))
  })
}

const BOTH: Pass[] = ['forward', 'backward']
const RANDOM_NUMBERS = 1 << 20

/** Uniform in [-1, 1); beyond a million the same again. */
export function random(n: number): Float32Array {
  const numbers = new Float32Array(n)
  const drawn = Math.min(n, RANDOM_NUMBERS)
  for (let i = 0; i < drawn; i++) numbers[i] = 2 * Math.random() - 1
  for (let i = drawn; i < n; i += drawn) numbers.copyWithin(i, 0, Math.min(drawn, n - i))
  return numbers
}
export const matrix = (batch: number, cols: number) => ({ data: random(batch * cols), cols })

function losses(batch: number): BenchCase[] {
  const shape = `B ${batch}`
  const loss = (op: string): BenchCase => {
    const labels = () => ({ data: new Float32Array(batch).map(() => Math.round(Math.random())), cols: 1 })
    const call = (): OpCall => ({ op, batch, inputs: [matrix(batch, 1), labels()], dout: [Float32Array.of(1)] })
    return { op, shape, passes: BOTH, call }
  }
  return [
    loss('bce_loss'),
    {
      op: 'concat',
      shape: `${shape}, 16 + 416`,
      passes: BOTH,
      call: () => ({
        op: 'concat',
        batch,
        inputs: [matrix(batch, 16), matrix(batch, 416)],
        dout: [random(batch * 432)],
      }),
    },
    loss('mse_loss'),
    {
      op: 'sigmoid',
      shape,
      passes: BOTH,
      call: () => ({ op: 'sigmoid', batch, inputs: [matrix(batch, 1)], dout: [random(batch)] }),
    },
  ]
}

/** Ten fields of ten numbers. */
function cins(batch: number): BenchCase[] {
  const op = 'cin'
  return [[64], [64, 64, 64]].map(layers => {
    const attrs = { layers, width: 10 }
    const dout = () => [random(batch * 64 * layers.length)]
    const call = (): OpCall => ({ op, attrs, batch, inputs: [matrix(batch, 100)], seed: 1, dout: dout() })
    return {
      op,
      shape: `B ${batch}, m 10, E 10, ${layers.join('-')}`,
      passes: ['forward', 'backward'],
      call,
      big: batch > 16,
    }
  })
}

/** Ten fields of ten numbers. */
function crosses(batch: number): BenchCase[] {
  const make = (op: string, name: string, attrs: Attrs): BenchCase => {
    const call = (): OpCall => ({
      op,
      attrs,
      batch,
      inputs: [matrix(batch, 100)],
      seed: 1,
      dout: [random(batch * 100)],
    })
    return { op, shape: `B ${batch}, N 100, ${name}`, passes: ['forward', 'backward'], call }
  }
  return [
    make('cross', 'L 3', { layers: 3 }),
    make('cross', 'L 6', { layers: 6 }),
    make('cross_v2', 'L 4, full', { layers: 4 }),
    make('cross_v2', 'L 4, rank 32', { layers: 4, rank: 32 }),
    make('cross_v2', 'L 4, rank 32, 4 experts', { layers: 4, rank: 32, experts: 4 }),
  ]
}

/** What stands behind a layer of 400, as training sees it. */
function betweenLayers(batch: number): BenchCase[] {
  const make = (op: string, attrs: Attrs, width = 400): BenchCase => {
    const call = (): OpCall => ({
      op,
      attrs,
      batch,
      inputs: [matrix(batch, width)],
      seed: 1,
      training: true,
      dout: [random(batch * width)],
    })
    const options = Object.entries(attrs).map(([name, value]) => `, ${name} ${value}`)
    return { op, shape: `B ${batch}, ${width}${options.join('')}`, passes: ['forward', 'backward'], call }
  }
  return [
    make('activation', { kind: 'gelu' }),
    make('activation', { kind: 'prelu' }),
    make('batch_norm', { activation: 'relu' }),
    make('batch_norm', { activation: 'relu', dropout: 0.2 }),
    make('dropout', { rate: 0.2 }),
    make('layer_norm', { activation: 'relu' }),
    make('layer_norm', { groups: 10 }, 100),
  ]
}

const RULES: [string, Attrs][] = [
  ['sgd', { rule: 'sgd' }],
  ['adagrad', { rule: 'adagrad' }],
  ['rowwise_adagrad', { rule: 'rowwise_adagrad' }],
  ['adam', { rule: 'adam' }],
]

/** As many numbers as the MLPs of the Kaggle model have. */
function denseUpdates(size: number): BenchCase[] {
  return RULES.filter(([name]) => name !== 'rowwise_adagrad').map(([name, rule]) => ({
    op: 'dense_update',
    shape: `${name}, n ${size}`,
    passes: ['update'],
    call: () => ({
      op: 'dense_update',
      attrs: { ...rule, names: ['w'], sizes: [size] },
      batch: 1,
      inputs: [],
      dparams: Array.from({ length: { sgd: 1, adagrad: 2, adam: 3 }[name]! }, () => random(size)),
      lr: 1e-3,
      step: 1,
    }),
  }))
}

export interface Lookups {
  attrs: Attrs
  bags(): unknown[]
  gather: NonNullable<BenchCase['gather']>
  shape: string
}

/** T tables of R rows, L lookups of each example. */
export function lookups(batch: number, tables: number, rows: number, width: number, pooling: number): Lookups {
  const bags = () =>
    Array.from({ length: tables }, () => {
      const offsets = new Int32Array(batch + 1).map((_, b) => b * pooling)
      const indices = new Int32Array(batch * pooling).map(() => Math.floor(Math.random() * rows))
      return [offsets, indices, undefined]
    }).flat()
  const bytes = 4 * width
  return {
    attrs: { rows: Array(tables).fill(rows), width },
    bags,
    gather: { rowBytes: bytes, lookups: tables * batch * pooling, tables, rows },
    shape: `B ${batch}, ${tables} x ${rows} x ${width}, ${pooling} each`,
  }
}

/** The same lookups in tables of another type; bytes of a row in memory. */
function ofType(dtype: TableDtype, rowBytes: number, { attrs, bags, gather, shape }: Lookups): Lookups {
  return { attrs: { ...attrs, dtype }, bags, gather: { ...gather, rowBytes }, shape: `${dtype}, ${shape}` }
}

function embeddingBags(batch: number, rows: number): BenchCase[] {
  const op = 'embedding_bag'
  const oneHot = lookups(batch, 26, rows, 16, 1)
  const many = lookups(batch, 1, rows * 10, 64, 32)
  const giant = lookups(batch, 1, rows * 40, 64, 32)
  const types = [
    ofType('bf16', 128, giant),
    ofType('f16', 128, giant),
    ofType('int8', 72, giant),
    ofType('int4', 36, giant),
  ]
  const cases = [oneHot, lookups(batch, 26, rows, 64, 1), many, giant, ...types].map((own): BenchCase => {
    const { attrs, bags, gather, shape } = own
    const constant = { init: 'constant', init_scale: 0.01 } // drawing a gigabyte of random numbers takes seconds
    const call = (): OpCall => ({ op, attrs: { ...attrs, ...constant }, batch, inputs: [{ bags: bags() }], seed: 1 })
    return { op, shape, passes: ['forward'], call, gather, big: own === giant || types.includes(own) }
  })
  const weights = (bags: unknown[]) =>
    bags.map((part, i) => (i % 3 === 2 ? random((bags[i - 1] as Int32Array).length) : part))
  const modes: BenchCase[] = ['mean', 'max'].map(mode => {
    const call = (): OpCall => ({ op, attrs: { ...many.attrs, mode }, batch, inputs: [{ bags: many.bags() }], seed: 1 })
    return { op, shape: `${mode}, ${many.shape}`, passes: ['forward'], call, gather: many.gather }
  })
  const inputs = () => [{ bags: weights(many.bags()) }]
  const weighted = (): OpCall => ({
    op,
    attrs: many.attrs,
    batch,
    inputs: inputs(),
    seed: 1,
    dout: [random(batch * 64)],
  })
  return [
    ...cases,
    ...modes,
    { op, shape: `weights, ${many.shape}`, passes: ['forward', 'backward'], call: weighted, gather: many.gather },
  ]
}

function embeddingUpdates(batch: number, rows: number): BenchCase[] {
  const op = 'embedding_update'
  const make = ([name, rule]: [string, Attrs], { attrs, bags, gather, shape }: Lookups): BenchCase => {
    const tables = (attrs.rows as number[]).length
    const names = Array.from({ length: tables }, (_, t) => `${t}`)
    const inputs = () => [{ bags: bags() }, matrix(batch, tables * (attrs.width as number))]
    const call = (): OpCall => ({ op, attrs: { ...attrs, ...rule, names }, batch, inputs: inputs(), lr: 1e-3, step: 1 })
    return { op, shape: `${name}, ${shape}`, passes: ['update'], call, gather }
  }
  const oneHot = lookups(batch, 26, rows, 16, 1)
  const many = lookups(batch, 1, rows * 10, 64, 32)
  const giant = lookups(batch, 1, rows * 40, 64, 32)
  const numbers = lookups(batch, 10, rows, 1, 1)
  const sparse: [string, Attrs] = ['ftrl', { rule: 'ftrl', l1: 1, l2: 1 }]
  const whole: [string, Attrs] = ['adam, all rows', { rule: 'adam', lazy: false }]
  return [
    ...RULES.map(rule => make(rule, oneHot)),
    make(whole, oneHot),
    make(sparse, numbers),
    make(RULES[0]!, many),
    make(RULES[2]!, many),
    { ...make(RULES[2]!, giant), big: true },
    { ...make(RULES[2]!, ofType('bf16', 128, giant)), big: true },
  ]
}

function linearBags(batch: number, rows: number): BenchCase[] {
  const op = 'linear_bag'
  return [rows, Math.ceil(rows / 200)].map(count => {
    const { attrs, bags, gather, shape } = lookups(batch, 10, count, 1, 1)
    const call = (): OpCall => ({ op, attrs, batch, inputs: [{ bags: bags() }], seed: 1, dout: [random(batch)] })
    return { op, shape, passes: ['forward', 'backward'], call, gather }
  })
}

/** 26 tables of R rows as quotients by 4 and remainders. */
function qrEmbeddingBags(batch: number, rows: number): BenchCase[] {
  const op = 'qr_embedding_bag'
  const [width, tables] = [16, 26]
  return ['mult', 'concat'].map(operation => {
    const pairs = Array.from({ length: tables }, () => [Math.ceil(rows / 4), 4]).flat()
    const parts = () => pairs.flatMap(count => lookups(batch, 1, count, width, 1).bags())
    const attrs = { rows: pairs, width, operation }
    const dout = () => [random(batch * tables * width * (operation === 'concat' ? 2 : 1))]
    const call = (): OpCall => ({ op, attrs, batch, inputs: [{ bags: parts() }], seed: 1, dout: dout() })
    const shape = `${operation}, B ${batch}, T ${tables}, R ${rows}, E ${width}`
    return { op, shape, passes: ['forward', 'backward'], call }
  })
}

function interactions(batch: number): BenchCase[] {
  const op = 'interaction_dot'
  return [16, 64, 128].map(width => {
    const call = (): OpCall => ({
      op,
      attrs: { width },
      batch,
      inputs: [matrix(batch, width), matrix(batch, 26 * width)],
      dout: [random(batch * (width + 351))],
    })
    return { op, shape: `B ${batch}, F 27, E ${width}`, passes: ['forward', 'backward'], call }
  })
}

function mlps(batch: number, smoke: boolean): BenchCase[] {
  const op = 'mlp'
  const make = (b: number, widths: number[], last: string, precision = 'fp32'): BenchCase => {
    const [inputs, ...layers] = widths as [number, ...number[]]
    const dout = () => [random(b * layers.at(-1)!)]
    const attrs = { layers, last, precision }
    const call = (): OpCall => ({ op, attrs, batch: b, inputs: [matrix(b, inputs)], seed: 1, dout: dout() })
    const bf16 = precision === 'bf16'
    const shape = `${bf16 ? 'bf16, ' : ''}B ${b}, ${widths.join('-')}`
    return { op, shape, passes: ['forward', 'backward'], call, bf16 }
  }
  const top = [367, 512, 256, 1]
  return [
    make(batch, [13, 512, 256, 64, 16], 'relu'),
    make(batch, top, 'none'),
    make(Math.ceil(batch / 16), top, 'none'),
    make(1, top, 'none'),
    { ...make(batch, [512, 512, 512, 512], 'relu'), big: !smoke },
    { ...make(batch, smoke ? [64, 64] : [1024, 1024, 1024, 1024], 'relu'), big: !smoke },
    make(batch, top, 'none', 'bf16'),
    { ...make(batch, smoke ? [64, 64] : [1024, 1024, 1024, 1024], 'relu', 'bf16'), big: !smoke },
  ]
}

/** Ops over the vectors of fields; ten fields of width 10 are Frappe's. */
function fieldPairs(batch: number): BenchCase[] {
  const make = (op: string, fields: number, width: number, cols: number, attrs: Attrs = {}, out = 1): BenchCase => {
    const call = (): OpCall => ({ op, attrs: { width, ...attrs }, batch, inputs: [matrix(batch, cols)], seed: 1 })
    return {
      op,
      shape: `B ${batch}, F ${fields}, E ${width}`,
      passes: BOTH,
      call: () => ({ ...call(), dout: [random(batch * out)] }),
    }
  }
  return [
    ...[
      [10, 10],
      [39, 16],
    ].flatMap(([f, e]) => [
      make('fm_pair', f!, e!, f! * e!),
      { ...make('fm_pair', f!, e!, f! * e!, { vector: true }, e!), shape: `vector, B ${batch}, F ${f}, E ${e}` },
      make('field_weighted_pair', f!, e!, f! * e!),
    ]),
    make('ffm_pair', 10, 10, 900),
    make('ffm_pair', 39, 4, 39 * 38 * 4),
    make('numeric_embedding', 13, 10, 13, {}, 130),
  ]
}

/** Ops that work element by element. */
function elementwise(batch: number): BenchCase[] {
  const make = (op: string, inputs: number, cols: number, attrs: Attrs = {}, out = cols): BenchCase => {
    const matrices = () => Array.from({ length: inputs }, () => matrix(batch, cols))
    const call = (): OpCall => ({ op, attrs, batch, inputs: matrices(), dout: [random(batch * out)] })
    return { op, shape: `B ${batch}, n ${cols}`, passes: BOTH, call }
  }
  return [
    make('add', 3, 1),
    make('add', 2, 100),
    make('exp', 1, 1),
    make('sqrt', 1, 1),
    make('mul', 2, 100),
    make('slice', 1, 100, { start: 13, length: 50 }, 50),
  ]
}
