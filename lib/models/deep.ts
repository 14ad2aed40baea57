import type { GraphBuilder, Value } from '../graph/builder.js'
import type { Init } from '../graph/ops.js'
import { tower } from '../graph/tower.js'
import { common, sizesByColumn, type Values } from './options.js'

/** The options of a model with embeddings and one MLP. */
export const deepOptions = { ...common }

/** Of a model that only puts its embeddings side by side: their widths may differ. */
export const concatOptions = {
  ...deepOptions,
  embeddingDims: sizesByColumn('widths of the embeddings of single columns, instead of E'),
}

/** Biases of the click models start at 0. */
export const ZERO: Init = { kind: 'constant', scale: 0 }

/** The hidden layers, then one output without activation: `[B, K]` -> `[B, 1]`. */
export function deep(g: GraphBuilder, name: string, x: Value, options: Values<typeof common>): Value {
  const { hidden, activation, norm, dropout } = options
  return tower(g, name, x, { layers: [...hidden, 1], activation, norm, dropout, last: 'none', biasInit: ZERO })
}

/** The hidden layers alone: `[B, K]` -> `[B, N]`, N the last of `hidden`. */
export function hiddenLayers(g: GraphBuilder, name: string, x: Value, options: Values<typeof common>): Value {
  const { hidden, activation, norm, dropout } = options
  if (hidden.length === 0) return x
  return tower(g, name, x, { layers: hidden, activation, norm, dropout, biasInit: ZERO })
}
