/**
 * The golden DLRM runs of ../golden/make.py: everything a test needs to repeat them, and what PyTorch got.
 * Parameters and batches are made again from seeds, in the order make.py draws them.
 */
import { readFileSync } from 'node:fs'
import type { Batch } from '../../lib/data/batch.js'
import { optimizerFromJSON } from '../../lib/optim/from_json.js'
import { ParameterGroups } from '../../lib/optim/groups.js'
import type { OptimizerJSON } from '../../lib/optim/optimizer.js'
import { Generator } from './generator.js'

export interface Tensor {
  shape: number[]
  data: Float32Array
}

/** Field names as the options of `new DLRM`; `bottom` and `top` are hidden layers (the ends in embeddingDim and 1 are implied). */
export interface GoldenConfig {
  name: string
  dense: number
  tables: number[]
  embeddingDim: number
  bottom: number[]
  top: number[]
  interaction: 'dot' | 'cat'
  interactionItself: boolean
  loss: 'bce' | 'mse' | 'wbce'
  /** Of labels 0 and 1, for wbce. */
  lossWeights: [number, number]
  /** Predictions are clamped to [t, 1 - t] in training and prediction; 0: not. */
  lossThreshold: number
  pooling: 'sum' | 'mean' | 'max'
  /** One learned weight per row (`v_W_l.<table>`), multiplying the row before it is summed. */
  weightedPooling: 'learned' | null
  optimizer: OptimizerJSON
  seed: number
  batchSize: number
  /** Bags have 0 to this many indices. */
  maxBag: number
  /** Batches carry per-sample weights. */
  weights: boolean
  softLabels: boolean
}

/** What decides the batches of a case. */
export type BatchConfig = Pick<
  GoldenConfig,
  'seed' | 'batchSize' | 'dense' | 'tables' | 'maxBag' | 'weights' | 'softLabels'
>

export interface GoldenCase {
  config: GoldenConfig
  /** By the reference's state_dict names, in its order. */
  initial: Map<string, Tensor>
  /** One per training step. */
  batches: Batch[]
  expected: {
    /** Mean loss of each step, before its update. */
    losses: number[]
    /** [B] for the first batch with the initial parameters. */
    predictions: Float32Array
    /** [B] for the first batch after the last step. */
    finalPredictions: Float32Array
    final: Map<string, Tensor>
    /** How far PyTorch's float32 run ends from these float64 figures (see make.py). */
    float32Error: number
  }
}

/** The optimizer as make.py means it: what PyTorch cannot do with sparse gradients is for dense parameters only. */
export function goldenOptimizer(json: OptimizerJSON): ParameterGroups {
  const tables = optimizerFromJSON({ ...json, weightDecay: 0 })
  return new ParameterGroups({ tables, '*': optimizerFromJSON(json) })
}

interface FileCase extends GoldenConfig {
  expected: {
    losses: number[]
    predictions: string
    finalPredictions: string
    final: Record<string, string>
    float32Error: number
  }
}

export function loadGolden(): GoldenCase[] {
  const file = JSON.parse(readFileSync(new URL('../golden/dlrm.json', import.meta.url), 'utf8'))
  return file.cases.map(({ expected, ...config }: FileCase) => {
    const shapes = parameterShapes(config)
    const final = [...shapes].map(([name, shape]) => [name, { shape, data: unpack(expected.final[name]) }] as const)
    return {
      config,
      initial: initialParameters(config, shapes),
      batches: makeBatches(config, file.steps),
      expected: {
        ...expected,
        predictions: unpack(expected.predictions),
        finalPredictions: unpack(expected.finalPredictions),
        final: new Map(final),
      },
    }
  })
}

/** Names and shapes of the reference's state_dict. */
export function parameterShapes(c: GoldenConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>()
  c.tables.forEach((rows, i) => {
    shapes.set(`emb_l.${i}.weight`, [rows, c.embeddingDim])
  })
  if (c.weightedPooling) {
    c.tables.forEach((rows, i) => {
      shapes.set(`v_W_l.${i}`, [rows])
    })
  }
  const f = c.tables.length + 1
  const pairs = c.interactionItself ? (f * (f + 1)) / 2 : (f * (f - 1)) / 2
  const width = c.interaction === 'cat' ? f * c.embeddingDim : c.embeddingDim + pairs
  const layers = (prefix: string, widths: number[]) => {
    for (let i = 0; i + 1 < widths.length; i++) {
      shapes.set(`${prefix}.${2 * i}.weight`, [widths[i + 1], widths[i]])
      shapes.set(`${prefix}.${2 * i}.bias`, [widths[i + 1]])
    }
  }
  layers('bot_l', [c.dense, ...c.bottom, c.embeddingDim])
  layers('top_l', [width, ...c.top, 1])
  return shapes
}

function initialParameters(c: GoldenConfig, shapes: Map<string, number[]>): Map<string, Tensor> {
  const g = new Generator(c.seed)
  const values = new Map<string, Tensor>()
  for (const [name, shape] of shapes) {
    const scale = name.startsWith('emb_l')
      ? 0.5
      : name.startsWith('v_W_l')
        ? 1.5
        : Math.sqrt(shape.length === 2 ? 6 / (shape[0] + shape[1]) : 1 / shape[0])
    values.set(name, {
      shape,
      data: g.symmetric(
        shape.reduce((a, b) => a * b),
        scale,
      ),
    })
  }
  return values
}

export function makeBatches(c: BatchConfig, steps: number): Batch[] {
  const g = new Generator(c.seed + 1)
  const size = c.batchSize
  return Array.from({ length: steps }, () => {
    const dense = g.symmetric(size * c.dense, 2)
    const tables = c.tables.map(rows => {
      const offsets = new Int32Array(size + 1)
      g.below(size, c.maxBag + 1).forEach((n, i) => {
        offsets[i + 1] = offsets[i] + n
      })
      const indices = Int32Array.from(g.unit(offsets[size]), u => Math.floor(u * u * rows))
      return c.weights ? { offsets, indices, weights: g.symmetric(indices.length, 2) } : { offsets, indices }
    })
    const u = g.unit(size)
    return { size, dense, tables, labels: c.softLabels ? u : u.map(x => (x < Math.fround(0.4) ? 1 : 0)) }
  })
}

export function unpack(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}
