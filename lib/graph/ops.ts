/**
 * The ops of a graph, one typed function each: see {@link GraphBuilder} and `native/ops`.
 *
 * @packageDocumentation
 */
import type { GraphBuilder, Precision, Value } from './builder.js'
import { type Init, initAttrs } from './init.js'

export type { Pooling, Precision } from './builder.js'
export * from './cross_ops.js'
export * from './elementwise_ops.js'
export type { Init } from './init.js'
export * from './norm_ops.js'
export * from './pair_ops.js'
export { type QrEmbeddingBagOptions, type QrOperation, qrEmbeddingBag } from './qr_ops.js'
export {
  type EmbeddingBagOptions,
  embeddingBag,
  type LinearBagOptions,
  linearBag,
  type TableOptions,
} from './table_ops.js'

/** What follows a layer's sums: max(0, z), 1 / (1 + exp(-z)), tanh, or nothing. */
export type Activation = 'relu' | 'sigmoid' | 'tanh' | 'none'

/** Options of {@link mlp}. */
export interface MlpOptions {
  /** Width of each layer. */
  layers: readonly number[]
  /** Of the layers but the last; default relu. */
  activation?: Activation
  /** Of the last layer; default relu. */
  last?: Activation
  /** Default true. */
  bias?: boolean
  /** Of the weights `[N, K]`; default normal of deviation sqrt(2 / (N + K)) (xavier_normal in PyTorch). */
  init?: Init
  /** Of the biases `[N]`; default normal of deviation sqrt(1 / N), as in the DLRM reference. */
  biasInit?: Init
  /** Default: the graph's. */
  precision?: Precision
}

/** For an op's attrs: nothing for fp32. */
const precisionAttr = (precision: Precision): { precision?: Precision } => (precision === 'fp32' ? {} : { precision })

/**
 * Fully connected layers in one op: y = act(x W^T + b) for each.
 *
 * - in `x [B, K]`; out `[B, N]`, N the last of `layers`
 * - parameters `<name>.<2i>.weight [N_i, N_{i-1}]` and, unless `bias` is false, `<name>.<2i>.bias [N_i]`
 */
export function mlp(g: GraphBuilder, name: string, x: Value, options: MlpOptions): Value {
  const { layers, activation = 'relu', last = 'relu', bias = true, init, biasInit, precision = g.precision } = options
  const attrs = {
    layers: [...layers],
    activation,
    last,
    bias,
    ...initAttrs(init),
    ...initAttrs(biasInit, 'bias_init'),
    ...precisionAttr(precision),
  }
  return g.add('mlp', name, [x], attrs)
}

/**
 * Dot products of all pairs of the F vectors of an example, row by row through the strict lower triangle
 * (Naumov et al. 2019, section 2.1.3; with `itself` the diagonal too), behind the dense vector if there is one.
 *
 * - in `x [B, E]` or none, `embeddings [B, T*E]`; F = T + 1 with `x`, else T
 * - out `[B, E + P]` with `x`, else `[B, P]`; P = F(F-1)/2, with `itself` F(F+1)/2
 */
export function interactionDot(
  g: GraphBuilder,
  name: string,
  x: Value | undefined,
  embeddings: Value,
  options: { width: number; itself?: boolean; precision?: Precision },
): Value {
  const { width, itself = false, precision = g.precision } = options
  const attrs = { width, itself, ...precisionAttr(precision) }
  return g.add('interaction_dot', name, x ? [x, embeddings] : [embeddings], attrs)
}

/** `[B, n_1], [B, n_2], ...` -> `[B, n_1 + n_2 + ...]` */
export function concat(g: GraphBuilder, name: string, inputs: Value[]): Value {
  return g.add('concat', name, inputs)
}

/** 1 / (1 + exp(-x)), clamped to [threshold, 1 - threshold] if 0 < threshold < 1: `[B, n]` -> `[B, n]` */
export function sigmoid(g: GraphBuilder, name: string, x: Value, options: { threshold?: number } = {}): Value {
  return g.add('sigmoid', name, [x], { threshold: options.threshold ?? 0 })
}

/**
 * Mean binary cross entropy of `logits [B, 1]` against `labels [B, 1]`, computed from the logits so that it never
 * overflows. `classWeights [w0, w1]` multiply each example's loss by its class, and `weights [B, 1]` (default the batch's
 * own, 1 where it has none) by example; the mean is still over B, as PyTorch's `BCEWithLogitsLoss(weight=...)`.
 * `saturates`: as PyTorch's `BCELoss` of float32 probabilities, which loses gradients where the probability is nearly 0 or 1.
 */
export function bceLoss(
  g: GraphBuilder,
  name: string,
  logits: Value,
  labels: Value,
  options: { threshold?: number; classWeights?: number[]; weights?: Value; saturates?: boolean } = {},
): Value {
  return g.add('bce_loss', name, [logits, labels, options.weights ?? g.weights], {
    threshold: options.threshold ?? 0,
    class_weights: options.classWeights ?? [1, 1],
    ...(options.saturates ? { saturates: true } : {}),
  })
}

/**
 * Mean squared error of `predictions [B, 1]` against `labels [B, 1]`; `weights [B, 1]` (default the batch's own) multiply
 * each example's, the mean is still over B.
 */
export function mseLoss(
  g: GraphBuilder,
  name: string,
  predictions: Value,
  labels: Value,
  options: { weights?: Value } = {},
): Value {
  return g.add('mse_loss', name, [predictions, labels, options.weights ?? g.weights])
}
