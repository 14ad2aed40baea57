/** Ops that multiply features into each other, degree after degree: DCN, DCN-V2 and xDeepFM's CIN. */
import type { GraphBuilder, Value } from './builder.js'
import { type Init, initAttrs } from './init.js'

/** Options of {@link cross}. */
export interface CrossOptions {
  /** L, 1 to 64; default 1. */
  layers?: number
  /** Of the weights; default normal of deviation sqrt(2 / (N + 1)). The biases start at zero. */
  init?: Init
}

/**
 * The cross layers of DCN (Wang et al. 2017, arXiv 1708.05123, equation 3), all in one op:
 * x_{l+1} = x_0 (x_l . w_l) + b_l + x_l for l = 0 .. L-1.
 *
 * - in `x [B, N]` = x_0; out `[B, N]` = x_L
 * - parameters `<name>.<l>.weight [N]`, `<name>.<l>.bias [N]`
 */
export function cross(g: GraphBuilder, name: string, x: Value, options: CrossOptions = {}): Value {
  const { layers = 1, init } = options
  return g.add('cross', name, [x], { layers, ...initAttrs(init) })
}
