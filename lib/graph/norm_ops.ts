import type { GraphBuilder, Value } from './builder.js'
import { type Init, initAttrs } from './init.js'

/** What {@link batchNorm} and {@link layerNorm} do behind the normalisation, in the same op. */
export interface NormOptions {
  /** Default none. */
  activation?: 'relu' | 'sigmoid' | 'tanh' | 'none'
  /** Share of elements dropped behind the activation, as {@link dropout} does; default 0. */
  dropout?: number
  /** Added to the variance; default 1e-5. */
  eps?: number
  /** Of the weight; default all 1. */
  init?: Init
}

function normAttrs({ activation = 'none', dropout = 0, eps = 1e-5, init }: NormOptions) {
  return { activation, dropout, eps, ...initAttrs(init) }
}

/**
 * Normalises each column over the examples of the batch, as torch.nn.BatchNorm1d; a prediction takes the running statistics.
 *
 * - in `x [B, N]`; out `[B, N]`
 * - parameters `<name>.weight [N]`, `<name>.bias [N]`; buffers `<name>.running_mean [N]` and `<name>.running_var [N]`, which
 *   move by `momentum` (default 0.1) towards the batch's at each step, running_var not at a step of one example
 */
export function batchNorm(
  g: GraphBuilder,
  name: string,
  x: Value,
  options: NormOptions & { momentum?: number } = {},
): Value {
  return g.add('batch_norm', name, [x], { ...normAttrs(options), momentum: options.momentum ?? 0.1 })
}

/**
 * Normalises each example over its columns, as torch.nn.LayerNorm, or over `groups` equal groups of them, each by itself:
 * over each field's embedding, say. `varianceOnly` divides by the deviation alone (VO-LN, Wang et al. 2020).
 *
 * - in `x [B, N]`; out `[B, N]`
 * - parameters `<name>.weight [N]`, `<name>.bias [N]`; none if `varianceOnly`
 */
export function layerNorm(
  g: GraphBuilder,
  name: string,
  x: Value,
  options: NormOptions & { groups?: number; varianceOnly?: boolean } = {},
): Value {
  const { groups = 1, varianceOnly = false } = options
  return g.add('layer_norm', name, [x], { ...normAttrs(options), groups, variance_only: varianceOnly })
}

/**
 * Dropout: in a training step each element is 0 with probability `rate`, else times 1 / (1 - rate); a prediction leaves the
 * node out. What a step drops depends on the model's seed, the node's name and the number of the step alone.
 *
 * - in `x [B, N]`; out `[B, N]`
 */
export function dropout(g: GraphBuilder, name: string, x: Value, options: { rate: number }): Value {
  return g.add('dropout', name, [x], { rate: options.rate })
}

/** An activation of its own: x where x > 0 else `weight` x (prelu), x Phi(x) (gelu), and those that other ops have built in. */
export type ActivationKind = 'relu' | 'prelu' | 'gelu' | 'sigmoid' | 'tanh'

/**
 * An activation, element by element.
 *
 * - in `x [B, N]`; out `[B, N]`
 * - parameter of prelu: `<name>.weight [N]`, the slope of each column; `init` defaults to 0.25
 */
export function activation(
  g: GraphBuilder,
  name: string,
  x: Value,
  options: { kind: ActivationKind; init?: Init },
): Value {
  return g.add('activation', name, [x], { kind: options.kind, ...initAttrs(options.init) })
}
