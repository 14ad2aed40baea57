/** Ops over the F vectors of an example's fields, side by side: `[B, F*E]`. */
import type { GraphBuilder, Value } from './builder.js'
import { type Init, initAttrs } from './init.js'

/**
 * The second-order part of a factorization machine (Rendle 2010): the sum over all pairs of fields of <v_i, v_j>, in O(F E).
 *
 * - in `x [B, F*E]`; out `[B, 1]`, or with `vector` the sum of the elementwise products `[B, E]`: the bi-interaction
 *   pooling of NFM (He and Chua 2017)
 */
export function fmPair(g: GraphBuilder, name: string, x: Value, options: { width: number; vector?: boolean }): Value {
  const { width, vector = false } = options
  return g.add('fm_pair', name, [x], { width, vector })
}

/**
 * All pairs of a field-aware factorization machine (Juan et al. 2016): the sum over i > j of <v_i,j , v_j,i>.
 *
 * - in `x [B, F*(F-1)*k]`, k = `width`: of each field its F-1 vectors for the other fields, in their order; tables of width
 *   (F-1)*k hold them. libffm has F vectors, of which one is never used.
 * - out `[B, 1]`
 */
export function ffmPair(g: GraphBuilder, name: string, x: Value, options: { width: number }): Value {
  return g.add('ffm_pair', name, [x], { width: options.width })
}

/**
 * All pairs of fields, each with a learned weight (Pan et al. 2018, FwFM): the sum over i > j of r_ij <v_i, v_j>.
 * Pairs whose weight is exactly 0 cost nothing forward.
 *
 * - in `x [B, F*E]`; out `[B, 1]`
 * - parameter `<name>.weight [P]`, row by row through the strict lower triangle: (1,0), (2,0), (2,1), ...; P = F(F-1)/2.
 *   Default start: normal of deviation sqrt(2 / (P + 1))
 */
export function fieldWeightedPair(
  g: GraphBuilder,
  name: string,
  x: Value,
  options: { width: number; init?: Init },
): Value {
  return g.add('field_weighted_pair', name, [x], { width: options.width, ...initAttrs(options.init) })
}

/**
 * A learned vector for each number, scaled by it: numeric columns become fields like the others.
 *
 * - in `x [B, D]`; out `[B, D*E]`: x_d v_d
 * - parameter `<name>.weight [D, E]`; default start: uniform in +-sqrt(1 / D)
 */
export function numericEmbedding(
  g: GraphBuilder,
  name: string,
  x: Value,
  options: { width: number; init?: Init },
): Value {
  return g.add('numeric_embedding', name, [x], { width: options.width, ...initAttrs(options.init) })
}
