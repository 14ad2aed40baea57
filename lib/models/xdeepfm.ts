import { fields, linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, cin, mlp } from '../graph/ops.js'
import { deep, deepOptions } from './deep.js'
import { defineModel } from './define.js'
import { choice, flag, sizes } from './options.js'

/**
 * xDeepFM (Lian et al. 2018, arXiv 1803.05170, figure 5): a linear part, a compressed interaction network (section 3.2) and an MLP.
 *
 * ```
 * fields -> linear -------------------------------------------+
 * fields -> embeddings [B,F*E] -+-> CIN [B,sum H] -> linear --+-> logit -> probability
 *                               +-> MLP ----------------------+
 * ```
 *
 * `direct`: every map of a CIN layer feeds both the next layer and the output; without it one half feeds each.
 */
export const XDeepFM = defineModel({
  kind: 'xdeepfm',
  about: 'compressed interaction network and MLP (Lian et al. 2018)',
  options: {
    ...deepOptions,
    cinLayers: sizes([64, 64, 64], 'maps of each layer of the CIN', { placeholder: 'H-H-...' }),
    cinActivation: choice<'none' | 'relu'>('none', ['none', 'relu'], 'of the maps of the CIN'),
    direct: flag(true, 'every map of the CIN reaches the output; off: one half feeds the next layer instead'),
  },
  graph(g, options) {
    const { embeddingDim: width, embeddingStd: std, cinLayers: layers, cinActivation: activation, direct } = options
    const v = fields(g, 'emb', { width, std })
    const maps = cin(g, 'cin', v, { width, layers, activation, splitHalf: !direct })
    const compressed = mlp(g, 'cin_out', maps, { layers: [1], last: 'none', bias: false })
    const parts = [linear(g, 'linear'), compressed]
    if (options.hidden.length > 0) parts.push(deep(g, 'mlp', v, options))
    return clicks(g, add(g, 'logit', parts))
  },
})
