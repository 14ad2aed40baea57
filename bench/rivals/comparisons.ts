/** What is compared: each a piece of work that we and rivals do on the same shapes. */
import type { Pass } from '../cases.js'
import { modelShape, type ShapeName } from '../shapes.js'

export type Precision = 'fp32' | 'bf16'

/** A program that times one piece of work; it prints the median milliseconds of each way. */
export interface Contender {
  program: 'torch_dlrm.py' | 'torch_ops.py' | 'onnxruntime'
  spec: object
  ways: string[]
}

/** How to time our own: a case of `bench:train`, or of `bench`. */
export type Ours = { train: { case: string; model: ShapeName; precision: Precision; batch: number } } | { op: OpChoice }

export interface OpChoice {
  op: string
  pass: Pass
  /** The shape that `bench` prints. */
  shape: string
}

export interface Comparison {
  /** step, predict, or an op. */
  case: string
  /** For people. */
  name: string
  batch: number
  precision: Precision
  /** Several ways of ours to do it; the fastest counts. */
  ours: { [way: string]: Ours }
  rivals: Contender[]
}

const FP32 = ['eager', 'compiled']
const BOTH = [...FP32, 'eager bf16', 'compiled bf16']
const ORT = ['tables', 'one table', 'tables 1 thread', 'one table 1 thread']

function step(model: ShapeName, batch: number, precision: Precision, smoke: boolean): Comparison {
  return {
    case: 'step',
    name: `training step, ${modelShape(model, smoke).name}`,
    batch,
    precision,
    ours: { step: { train: { case: 'step', model, precision, batch } } },
    rivals: [torchModel('step', model, batch, precision, smoke)],
  }
}

function torchModel(name: string, model: ShapeName, batch: number, precision: Precision, smoke: boolean): Contender {
  // In bf16 a rival may use what is fastest for it.
  const ways = precision === 'bf16' ? BOTH : FP32
  return { program: 'torch_dlrm.py', spec: { case: name, batch, model: modelShape(model, smoke) }, ways }
}

function prediction(batch: number, precision: Precision, smoke: boolean): Comparison {
  const ours = (name: string): Ours => ({ train: { case: name, model: 'kaggle', precision, batch } })
  const spec = { batch, model: modelShape('kaggle', smoke) }
  return {
    case: 'predict',
    name: `prediction, ${modelShape('kaggle', smoke).name}`,
    batch,
    precision,
    ours: { predict: ours('predict'), predictSync: ours('predictSync') },
    rivals: [
      torchModel('predict', 'kaggle', batch, precision, smoke),
      { program: 'onnxruntime', spec, ways: batch === 1 ? ORT : ORT.slice(0, 2) },
    ],
  }
}

function op(choice: OpChoice, batch: number, spec: object): Comparison {
  const { op: name, pass, shape } = choice
  return {
    case: name,
    name: `${name} ${pass}, ${shape.replace(/^B \d+, /, '')}`,
    batch,
    precision: 'fp32',
    ours: { kernel: { op: choice } },
    rivals: [{ program: 'torch_ops.py', spec: { op: name, pass, batch, ...spec }, ways: FP32 }],
  }
}

function ops(smoke: boolean): Comparison[] {
  const batch = smoke ? 16 : 2048
  const widths = smoke ? [64, 64] : [1024, 1024, 1024, 1024]
  const rows = smoke ? 4000 : 4_000_000
  const both: Pass[] = ['forward', 'backward']
  return [
    ...[16, 64, 128].flatMap(width =>
      both.map(pass => {
        const choice: OpChoice = { op: 'interaction_dot', pass, shape: `B ${batch}, F 27, E ${width}` }
        return op(choice, batch, { vectors: 27, width })
      }),
    ),
    ...both.map(pass => op({ op: 'mlp', pass, shape: `B ${batch}, ${widths.join('-')}` }, batch, { widths })),
    op({ op: 'embedding_bag', pass: 'forward', shape: `B ${batch}, 1 x ${rows} x 64, 32 each` }, batch, {
      rows,
      width: 64,
      pooling: 32,
    }),
  ]
}

export function comparisons(smoke: boolean): Comparison[] {
  const large = smoke ? 32 : 2048
  const batches = smoke ? [1, 8, 32] : [1, 128, 2048]
  const precisions: Precision[] = ['fp32', 'bf16']
  return [
    ...precisions.flatMap(precision => [
      ...[large, batches[1]!].map(batch => step('kaggle', batch, precision, smoke)),
      step('heavy', large, precision, smoke),
      ...batches.map(batch => prediction(batch, precision, smoke)),
    ]),
    ...ops(smoke),
  ]
}
