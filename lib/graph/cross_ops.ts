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

/** Options of {@link crossV2}. */
export interface CrossV2Options {
  /** L, 1 to 64; default 1. */
  layers?: number
  /** r: W = U V^t instead of a full W; default 0, full. */
  rank?: number
  /** K, 1 to 64: a mixture of so many low-rank experts; needs a `rank`. Default 0, no mixture. */
  experts?: number
  /** Of the matrices; default normal of deviation sqrt(2 / (rows + columns)) of one expert. The biases start at zero. */
  init?: Init
}

/**
 * The cross layers of DCN-V2 (Wang et al. 2021, arXiv 2008.13535), all in one op: x_{l+1} = x_0 o z_l + x_l with
 *
 * - full (equation 1): z = W x + b
 * - with `rank` (equation 2): z = U V^t x + b
 * - with `rank` and `experts` (equation 4): z = sum_e g_e U_e tanh(C_e tanh(V_e^t x)) + b, g = softmax(G x)
 *
 * In and out:
 *
 * - in `x [B, N]` = x_0; out `[B, N]` = x_L
 * - parameters of each layer `<name>.<l>.bias [N]` and
 *   - full: `<name>.<l>.weight [N, N]`
 *   - low rank: `<name>.<l>.U [N, r]`, `<name>.<l>.V [N, r]`
 *   - mixture: `.U [N, K*r]`, `.V [N, K*r]`, expert e in columns e*r to (e+1)*r; `.C [K*r, r]`, C_e in rows e*r to
 *     (e+1)*r; `.gate [K, N]` = G, of each layer its own
 */
export function crossV2(g: GraphBuilder, name: string, x: Value, options: CrossV2Options = {}): Value {
  const { layers = 1, rank = 0, experts = 0, init } = options
  return g.add('cross_v2', name, [x], { layers, rank, experts, ...initAttrs(init) })
}

/** Options of {@link cin}. */
export interface CinOptions {
  /** H_k: how many maps each layer makes. */
  layers: readonly number[]
  /** E */
  width: number
  /**
   * Half of the maps of each layer but the last go on to the next layer, the other half are put out ("without direct
   * connection"); such layers need an even number. Default false: all maps go on, and all are put out.
   */
  splitHalf?: boolean
  /** Of every map; default none. */
  activation?: 'none' | 'relu'
  /** Default true. */
  bias?: boolean
  /** Of the weights; default normal of deviation sqrt(2 / (H_k + I_k*m)). The biases start at zero. */
  init?: Init
}

/**
 * The compressed interaction network of xDeepFM (Lian et al. 2018, arXiv 1803.05170, equations 6 and 7). Each map of layer
 * k is made of all products of I_k maps of the layer before (X^0: the m fields themselves, I_1 = m) with the m fields,
 * X^k_h = f(b_h + sum over i and j of W_{h, i*m+j} X^{k-1}_i o X^0_j), and is put out as the sum of its E numbers.
 *
 * - in `x [B, m*E]`; out `[B, S]`, S = the sum of H_k; with `splitHalf` only half of each but the last
 * - parameters, k counting from 0: `<name>.<k>.weight [H_k, I_k*m]` and, unless `bias` is false, `<name>.<k>.bias [H_k]`
 */
export function cin(g: GraphBuilder, name: string, x: Value, options: CinOptions): Value {
  const { layers, width, splitHalf = false, activation = 'none', bias = true, init } = options
  const attrs = { layers: [...layers], width, split_half: splitHalf, activation, bias, ...initAttrs(init) }
  return g.add('cin', name, [x], attrs)
}
