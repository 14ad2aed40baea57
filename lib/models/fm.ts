import { fields, linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, fmPair } from '../graph/ops.js'
import { defineModel } from './define.js'
import { common } from './options.js'

/**
 * Factorisation machine of degree 2 (Rendle 2010, equation 1), with the pairs in linear time (lemma 3.1):
 *
 * ```
 * logit = b + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j
 * ```
 */
export const FM = defineModel({
  kind: 'fm',
  about: 'factorisation machine (Rendle 2010)',
  options: { embeddingDim: common.embeddingDim, embeddingStd: common.embeddingStd },
  graph(g, { embeddingDim: width, embeddingStd: std }) {
    const v = fields(g, 'emb', { width, std })
    return clicks(g, add(g, 'logit', [linear(g, 'linear'), fmPair(g, 'fm', v, { width })]))
  },
})
