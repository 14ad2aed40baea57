import { fields } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { concat, cross, mlp } from '../graph/ops.js'
import { concatOptions, hiddenLayers, ZERO } from './deep.js'
import { defineModel } from './define.js'
import { integer } from './options.js'

/**
 * Deep & Cross Network (Wang et al. 2017, arXiv 1708.05123, figure 1): cross layers x_{l+1} = x_0 (x_l . w) + b + x_l beside an MLP,
 * both on the embeddings, side by side into one linear layer.
 *
 * ```
 * fields -> x_0 [B,F*E] -+-> cross layers --------+-> concat -> linear -> logit -> probability
 *                        +-> MLP hidden layers ---+
 * ```
 */
export const DCN = defineModel({
  kind: 'dcn',
  about: 'rank-one cross layers beside an MLP (Wang et al. 2017)',
  options: { ...concatOptions, crossLayers: integer(3, 'number of cross layers') },
  graph(g, options) {
    const { embeddingDim: width, embeddingDims: widths, embeddingStd: std, crossLayers: layers } = options
    const x0 = fields(g, 'emb', { width, widths, std })
    const crossed = cross(g, 'cross', x0, { layers })
    const joined =
      options.hidden.length > 0 ? concat(g, 'joined', [crossed, hiddenLayers(g, 'mlp', x0, options)]) : crossed
    return clicks(g, mlp(g, 'logit', joined, { layers: [1], last: 'none', biasInit: ZERO }))
  },
})
