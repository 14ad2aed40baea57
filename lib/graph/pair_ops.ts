/** Ops over the F vectors of an example's fields, side by side: `[B, F*E]`. */
import type { GraphBuilder, Value } from './builder.js'

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
