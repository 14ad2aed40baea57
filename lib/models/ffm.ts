import { fieldCount, fields, linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, ffmPair } from '../graph/ops.js'
import { defineModel } from './define.js'
import { common, flag, integer } from './options.js'

/**
 * Field-aware factorisation machine (Juan et al. 2016, equation 4): every id has a vector for each other field.
 *
 * ```
 * logit = b + sum_i w_i x_i + sum_{i<j} <v_{i,field j}, v_{j,field i}> x_i x_j
 * ```
 *
 * The vectors of an id lie side by side in its row, so that an example reads F rows and no more. The linear part is
 * LIBFFM's missing one: it is on by default, as in most libraries.
 */
export const FFM = defineModel({
  kind: 'ffm',
  about: 'field-aware factorisation machine (Juan et al. 2016)',
  options: {
    factors: integer(4, 'width k of the vector that an id has for each other field', { placeholder: 'k' }),
    embeddingStd: common.embeddingStd,
    linear: flag(true, 'a weight per id besides the pairs'),
  },
  graph(g, { factors, embeddingStd: std, linear: hasLinear }) {
    const others = fieldCount(g) - 1
    const v = fields(g, 'emb', { width: others * factors, std })
    const pairs = ffmPair(g, 'ffm', v, { width: factors })
    return clicks(g, hasLinear ? add(g, 'logit', [linear(g, 'linear'), pairs]) : pairs)
  },
})
