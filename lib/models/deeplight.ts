import { fields, linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, fieldWeightedPair } from '../graph/ops.js'
import { deep, deepOptions } from './deep.js'
import { defineModel } from './define.js'

/**
 * DeepLight (Deng et al. 2021, arXiv 2002.06987, figure 2), a DeepFwFM: DeepFM whose pairs are weighted by field,
 * sum_{i<j} r_ij <v_i, v_j>. Trained, then pruned (`fit` with `pruning`, or `prune`): embeddings, the field matrix R and the MLP's
 * hidden layers; the zeros make prediction faster.
 *
 * ```
 * fields -> embeddings [B,F*E] -+-> field-weighted pairs -+
 *                               +-> MLP ------------------+-> logit -> probability
 * fields -> linear ---------------------------------------+
 * ```
 */
export const DeepLight = defineModel({
  kind: 'deeplight',
  about: 'field-weighted FM and MLP, to be pruned (Deng et al. 2021)',
  options: deepOptions,
  graph(g, options) {
    const { embeddingDim: width, embeddingStd: std } = options
    const v = fields(g, 'emb', { width, std })
    const pairs = g.group('pairs', () => fieldWeightedPair(g, 'pairs', v, { width }))
    return clicks(g, add(g, 'logit', [linear(g, 'linear'), pairs, deep(g, 'mlp', v, options)]))
  },
})
