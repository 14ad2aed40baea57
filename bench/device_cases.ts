/** What `npm run bench -- --device=cuda` times: the ops of DLRM's training step, in shapes that fill a GPU. */
import type { Attrs, OpCall } from '../lib/native.js'
import { type BenchCase, lookups, matrix, random } from './cases.js'

/** All of them, what counts most first: a lent machine may be gone before the end. With `smoke` the same ones, tiny. */
export function deviceCases(smoke: boolean): BenchCase[] {
  const batch = smoke ? 16 : 65536
  return [
    ...embeddings(batch, smoke ? 100 : 1_000_000),
    ...mlps(batch, smoke),
    ...interactions(batch),
    ...denseUpdates(smoke ? 1000 : 4_000_000),
    ...losses(batch),
    ...elementwise(batch),
  ]
}

function losses(batch: number): BenchCase[] {
  return ['bce_loss', 'mse_loss'].map(op => {
    const labels = () => ({ data: random(batch).map(x => (x > 0 ? 1 : 0)), cols: 1 })
    const call = (): OpCall => ({ op, batch, inputs: [matrix(batch, 1), labels()], dout: [Float32Array.of(1)] })
    return { op, shape: `B ${batch}`, passes: ['forward', 'backward'], call }
  })
}

function denseUpdates(size: number): BenchCase[] {
  const rules = [
    ['sgd', 1],
    ['adagrad', 2],
    ['adam', 3],
  ] as const
  const op = 'dense_update'
  return rules.map(([rule, arrays]) => ({
    op,
    shape: `${rule}, n ${size}`,
    passes: ['update'],
    call: () => ({
      op,
      attrs: { rule, names: ['w'], sizes: [size] },
      batch: 1,
      inputs: [],
      dparams: Array.from({ length: arrays }, () => random(size)),
      lr: 1e-3,
      step: 1,
    }),
  }))
}

/**
 * The Kaggle shape's tables, and 26 of a million rows of 128 with 10 indices in each bag. The tables are zeros, which the device
 * makes itself: 13 GB that the host has written would have to travel.
 */
function embeddings(batch: number, rows: number): BenchCase[] {
  const shapes = [lookups(batch, 26, Math.ceil(rows / 10), 16, 1), lookups(batch, 26, rows, 128, 10)]
  const bags = shapes.map(({ attrs, bags, gather, shape }): BenchCase => {
    const op = 'embedding_bag'
    const call = (): OpCall => ({ op, attrs, batch, inputs: [{ bags: bags() }] })
    return { op, shape, passes: ['forward'], call, gather }
  })
  const rules: Attrs[] = [{ rule: 'sgd' }, { rule: 'rowwise_adagrad' }]
  const updates = shapes.flatMap(({ attrs, bags, gather, shape }) =>
    rules.map((rule): BenchCase => {
      const op = 'embedding_update'
      const names = Array.from({ length: gather.tables }, (_, t) => `${t}`)
      const inputs = () => [{ bags: bags() }, matrix(batch, gather.tables * (attrs.width as number))]
      const all = { ...attrs, ...rule, names }
      const call = (): OpCall => ({ op, attrs: all, batch, inputs: inputs(), lr: 1e-3, step: 1 })
      return { op, shape: `${rule.rule}, ${shape}`, passes: ['update'], call, gather }
    }),
  )
  return [...bags, ...updates]
}

function interactions(batch: number): BenchCase[] {
  const op = 'interaction_dot'
  return [16, 64, 128].flatMap(width =>
    ['fp32', 'bf16'].map((precision): BenchCase => {
      const inputs = () => [matrix(batch, width), matrix(batch, 26 * width)]
      const dout = () => [random(batch * (width + 351))]
      const call = (): OpCall => ({ op, attrs: { width, precision }, batch, inputs: inputs(), dout: dout() })
      return { op, shape: `${precision}, B ${batch}, F 27, E ${width}`, passes: ['forward', 'backward'], call }
    }),
  )
}

/** Layers of 1024, the MLPs of MLPerf's model and of the Kaggle shape, and a prediction of one example. */
function mlps(batch: number, smoke: boolean): BenchCase[] {
  const op = 'mlp'
  const square = smoke ? [24, 24, 24] : [1024, 1024, 1024, 1024, 1024]
  const shapes: [number, number[], last: string][] = [
    [Math.ceil(batch / 4), square, 'relu'],
    [batch, [13, 512, 256, 128], 'relu'],
    [batch, smoke ? [479, 16, 1] : [479, 1024, 1024, 512, 256, 1], 'none'],
    [batch, [367, 512, 256, 1], 'none'],
    [1, [367, 512, 256, 1], 'none'],
  ]
  return shapes.flatMap(([rows, widths, last]) =>
    ['fp32', 'bf16'].map((precision): BenchCase => {
      const [inputs, ...layers] = widths as [number, ...number[]]
      const dout = () => [random(rows * layers.at(-1)!)]
      const attrs = { layers, last, precision }
      const call = (): OpCall => ({ op, attrs, batch: rows, inputs: [matrix(rows, inputs)], seed: 1, dout: dout() })
      return { op, shape: `${precision}, B ${rows}, ${widths.join('-')}`, passes: ['forward', 'backward'], call }
    }),
  )
}

function elementwise(batch: number): BenchCase[] {
  const shape = `B ${batch}, n 128`
  const both = (op: string, inputs: number, attrs: Attrs = {}, out = 128): BenchCase => {
    const matrices = () => Array.from({ length: inputs }, () => matrix(batch, 128))
    const call = (): OpCall => ({ op, attrs, batch, inputs: matrices(), dout: [random(batch * out)] })
    return { op, shape, passes: ['forward', 'backward'], call }
  }
  return [
    both('add', 2),
    both('concat', 2, {}, 256),
    both('mul', 2),
    both('sigmoid', 1),
    both('slice', 1, { start: 13, length: 64 }, 64),
  ]
}
