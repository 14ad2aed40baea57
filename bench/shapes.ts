/** The whole models that the benchmark times. */
export interface ModelShape {
  /** For people. */
  name: string
  /** D */
  dense: number
  /** T */
  tables: number
  /** R of each table */
  rows: number
  /** E */
  width: number
  /** Indices of each table of one example. */
  pooling: number
  /** Hidden layers; the last layer has E outputs. */
  bottom: number[]
  /** Hidden layers; the last layer has one output. */
  top: number[]
}

export const MODEL_SHAPES = {
  kaggle: {
    name: 'Criteo Kaggle',
    dense: 13,
    tables: 26,
    rows: 100_000,
    width: 16,
    pooling: 1,
    bottom: [512, 256, 64],
    top: [512, 256],
  },
  /** The shape of dlrm_s_benchmark.sh of the reference: it is gathers for the most part. */
  heavy: {
    name: 'heavy tables',
    dense: 512,
    tables: 8,
    rows: 1_000_000,
    width: 64,
    pooling: 100,
    bottom: [512],
    top: [1024, 1024, 1024],
  },
  /** Like MLPerf's, with smaller tables: far beyond all caches, and yet quickly made. */
  mlperf: {
    name: 'MLPerf-like',
    dense: 13,
    tables: 26,
    rows: 200_000,
    width: 128,
    pooling: 1,
    bottom: [512, 256],
    top: [1024, 1024, 512, 256],
  },
} satisfies { [name: string]: ModelShape }

export type ShapeName = keyof typeof MODEL_SHAPES

/** A shape by its name; with `smoke` its tables are small. */
export function modelShape(name: ShapeName, smoke: boolean): ModelShape {
  const shape: ModelShape = MODEL_SHAPES[name]
  return smoke ? { ...shape, rows: 1000 } : shape
}

/** `26 tables of 100,000 x 16, 1 index each, bottom 13-512-256-64-16, top 512-256-1`. */
export function describeShape({ dense, tables, rows, width, pooling, bottom, top }: ModelShape): string {
  const indices = pooling === 1 ? '1 index' : `${pooling} indices`
  const mlps = `bottom ${[dense, ...bottom, width].join('-')}, top ${[...top, 1].join('-')}`
  return `${tables} tables of ${rows.toLocaleString('en-US')} x ${width}, ${indices} each, ${mlps}`
}
