import type { GraphBuilder, Value } from './builder.js'
import type { Init } from './init.js'
import { type ActivationKind, activation, batchNorm, dropout, layerNorm } from './norm_ops.js'
import { type Activation, mlp } from './ops.js'

/** Options of {@link tower}. */
export interface TowerOptions {
  /** Width of each layer. */
  layers: readonly number[]
  /** Behind each layer but the last; default relu. */
  activation?: ActivationKind | 'none'
  /** Behind the last layer; default as the others. `none` also spares it the normalisation and the dropout: a head. */
  last?: ActivationKind | 'none'
  /** What stands between a layer's sums and its activation; default none. */
  norm?: 'none' | 'batch' | 'layer'
  /** With `norm: 'layer'`: divide by the deviation alone (VO-LN). */
  varianceOnly?: boolean
  /** Share of elements dropped behind each activation, in [0, 1); default 0. */
  dropout?: number
  /** Of the weights and biases: see {@link mlp}. */
  init?: Init
  biasInit?: Init
}

const built = (kind: string): kind is Activation =>
  kind === 'relu' || kind === 'sigmoid' || kind === 'tanh' || kind === 'none'

/**
 * Layers of Linear -> norm -> activation -> dropout: one fused {@link mlp} named `name` when there is neither norm nor dropout
 * nor an activation that an mlp lacks (its parameters: `<name>.<2l>.weight`, `<name>.<2l>.bias`), else a few nodes per layer.
 *
 * - in `x [B, K]`; out `[B, N]`, N the last of `layers`
 * - parameters of layer l, otherwise: `<name>.<l>.0.weight`, `<name>.<l>.0.bias` (of the node `<name>.<l>`), of its norm
 *   `<name>.<l>.norm.weight`, `.bias`, `.running_mean`, `.running_var`, of prelu `<name>.<l>.activation.weight`
 */
export function tower(g: GraphBuilder, name: string, x: Value, options: TowerOptions): Value {
  const {
    layers,
    activation: hidden = 'relu',
    last = hidden,
    norm = 'none',
    dropout: rate = 0,
    init,
    biasInit,
  } = options
  const fits = norm === 'none' && rate === 0 && built(hidden) && built(last)
  if (fits || layers.length === 0)
    return mlp(g, name, x, { layers, activation: hidden as Activation, last: last as Activation, init, biasInit })
  let y = x
  layers.forEach((width, l) => {
    const isLast = l === layers.length - 1
    const head = isLast && last === 'none'
    y = layer(g, `${name}.${l}`, y, width, {
      ...options,
      activation: isLast ? last : hidden,
      norm: head ? 'none' : norm,
      dropout: head ? 0 : rate,
    })
  })
  return y
}

/** The activation and the dropout are fused into what stands before them where that is possible. */
function layer(g: GraphBuilder, name: string, x: Value, width: number, options: TowerOptions): Value {
  const { activation: kind = 'relu', norm = 'none', dropout: rate = 0, init, biasInit } = options
  const sums = { layers: [width], init, biasInit }
  let y: Value
  if (norm === 'none') {
    y = mlp(g, name, x, { ...sums, last: built(kind) ? kind : 'none' })
  } else {
    const fused = built(kind) ? { activation: kind, dropout: rate } : {}
    y = mlp(g, name, x, { ...sums, last: 'none' })
    y =
      norm === 'batch'
        ? batchNorm(g, `${name}.norm`, y, fused)
        : layerNorm(g, `${name}.norm`, y, { ...fused, varianceOnly: options.varianceOnly })
    if (built(kind)) return y
  }
  if (!built(kind)) y = activation(g, `${name}.activation`, y, { kind })
  return rate > 0 ? dropout(g, `${name}.dropout`, y, { rate }) : y
}
