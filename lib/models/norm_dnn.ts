import { DlrmError } from '../errors.js'
import { fieldCount, fields, linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, fmPair, layerNorm } from '../graph/ops.js'
import { concatOptions, deep, deepOptions } from './deep.js'
import { defineModel } from './define.js'
import { choice, flag } from './options.js'

/**
 * NormDNN (Wang et al. 2020, "Correct normalization matters", arXiv 2006.12753): the embedding of each field is normalised, and each
 * layer of the MLP is before its activation; `fm` adds DeepFM's pairs, its linear part too (NormDeepFM).
 *
 * ```
 * fields -> embeddings -> layer norm per field [B,F*E] -+-> MLP with layer norm -+-> logit -> probability
 *                                                       +-> (FM pairs, linear) --+
 * ```
 */
export const NormDNN = defineModel({
  kind: 'norm_dnn',
  about: 'MLP with normalised embeddings and layers (Wang et al. 2020)',
  options: {
    ...concatOptions,
    norm: { ...deepOptions.norm, default: 'layer' as const },
    embeddingNorm: choice(
      'layer',
      ['none', 'layer', 'variance'],
      "of each field's embedding; variance: division by the deviation only",
    ),
    fm: flag(false, "also DeepFM's pairs and linear part"),
  },
  graph(g, options) {
    const { embeddingDim: width, embeddingDims: widths, embeddingStd: std, embeddingNorm, fm } = options
    const [uneven] = Object.keys(widths)
    if (uneven !== undefined && (embeddingNorm !== 'none' || fm)) {
      const message = `[norm_dnn] embeddingDims: ${uneven}: only with embeddingNorm none and without fm, which need equal widths`
      throw new DlrmError('ERR_ARGUMENT', message)
    }
    const v = fields(g, 'emb', { width, widths, std })
    const groups = fieldCount(g)
    const x =
      embeddingNorm === 'none' ? v : layerNorm(g, 'emb_norm', v, { groups, varianceOnly: embeddingNorm === 'variance' })
    const logit = deep(g, 'mlp', x, options)
    return clicks(g, fm ? add(g, 'logit', [linear(g, 'linear'), fmPair(g, 'fm', x, { width }), logit]) : logit)
  },
})
