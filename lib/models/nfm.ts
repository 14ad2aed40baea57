import { fields, linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, fmPair } from '../graph/ops.js'
import { deep, deepOptions } from './deep.js'
import { defineModel } from './define.js'

/**
 * Neural factorisation machine (He & Chua 2017, arXiv 1708.05027, figure 2): the pairs of a factorisation machine are summed into one
 * vector, element by element (bi-interaction pooling, equation 4), which an MLP reads.
 *
 * ```
 * fields -> embeddings [B,F*E] -> bi-interaction [B,E] -> MLP -+-> logit -> probability
 * fields -> linear --------------------------------------------+
 * ```
 */
export const NFM = defineModel({
  kind: 'nfm',
  about: "MLP on the sum of a factorisation machine's pairs (He & Chua 2017)",
  options: deepOptions,
  graph(g, options) {
    const { embeddingDim: width, embeddingStd: std } = options
    const pairs = fmPair(g, 'pairs', fields(g, 'emb', { width, std }), { width, vector: true })
    return clicks(g, add(g, 'logit', [linear(g, 'linear'), deep(g, 'mlp', pairs, options)]))
  },
})
