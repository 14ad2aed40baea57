import { fields } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { concat, crossV2, mlp } from '../graph/ops.js'
import { concatOptions, hiddenLayers, ZERO } from './deep.js'
import { defineModel } from './define.js'
import { choice, integer } from './options.js'

/**
 * DCN-V2 (Wang et al. 2021, arXiv 2008.13535, figure 1): cross layers with a whole matrix, x_{l+1} = x_0 * (W x_l + b) + x_l, or with W = U V^T
 * of low rank, or with a gated mixture of low-rank experts; before an MLP (stacked) or beside it (parallel).
 *
 * ```
 * stacked   fields -> x_0 [B,F*E] -> cross layers -> MLP hidden layers -> linear -> logit -> probability
 * parallel  fields -> x_0 -+-> cross layers -------+-> concat -> linear -> logit -> probability
 *                          +-> MLP hidden layers --+
 * ```
 */
export const DCNv2 = defineModel({
  kind: 'dcn_v2',
  about: 'cross layers with matrices, low-rank ones or mixtures, and an MLP (Wang et al. 2021)',
  options: {
    ...concatOptions,
    crossLayers: integer(3, 'number of cross layers'),
    structure: choice('parallel', ['parallel', 'stacked'], 'the MLP beside the cross layers, or behind them'),
    rank: integer(0, 'of the matrices of the cross layers; 0: whole matrices', { min: 0, placeholder: 'r' }),
    experts: integer(0, 'low-rank experts of a cross layer, mixed by learned gates; needs a rank; 0: no mixture', {
      min: 0,
    }),
  },
  graph(g, options) {
    const {
      embeddingDim: width,
      embeddingDims: widths,
      embeddingStd: std,
      crossLayers: layers,
      rank,
      experts,
      structure,
    } = options
    const x0 = fields(g, 'emb', { width, widths, std })
    const crossed = crossV2(g, 'cross', x0, { layers, rank, experts })
    let top = crossed
    if (structure === 'stacked') top = hiddenLayers(g, 'mlp', crossed, options)
    else if (options.hidden.length > 0) top = concat(g, 'joined', [crossed, hiddenLayers(g, 'mlp', x0, options)])
    return clicks(g, mlp(g, 'logit', top, { layers: [1], last: 'none', biasInit: ZERO }))
  },
})
