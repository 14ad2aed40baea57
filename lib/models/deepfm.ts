import { fields, linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, fmPair } from '../graph/ops.js'
import { deep, deepOptions } from './deep.js'
import { defineModel } from './define.js'

/**
 * DeepFM (Guo et al. 2017, arXiv 1703.04247, figure 1): a factorisation machine and an MLP on the same embeddings,
 * summed before the sigmoid.
 *
 * ```
 * fields -> embeddings [B,F*E] -+-> FM pairs -+
 *                               +-> MLP ------+-> logit -> probability
 * fields -> linear -------------------------- +
 * ```
 */
export const DeepFM = defineModel({
  kind: 'deepfm',
  about: 'FM and MLP on shared embeddings (Guo et al. 2017)',
  options: deepOptions,
  graph(g, options) {
    const { embeddingDim: width, embeddingStd: std } = options
    const v = fields(g, 'emb', { width, std })
    const parts = [linear(g, 'linear'), fmPair(g, 'fm', v, { width }), deep(g, 'mlp', v, options)]
    return clicks(g, add(g, 'logit', parts))
  },
})
