import { DlrmError } from '../errors.js'
import { clicks, numbers } from '../graph/heads.js'
import { add, embeddingBag, interactionDot, linearBag } from '../graph/ops.js'
import { defineModel } from './define.js'
import { choice, common } from './options.js'

/**
 * Matrix factorisation with biases (Koren, Bell, Volinsky 2009, equation 4): two columns, users and items.
 *
 * ```
 * r = mu + b_u + b_i + <p_u, q_i>
 * ```
 *
 * `feedback: 'rating'` fits r to the labels by squared error; `'implicit'` takes it as the logit of a click (labels 0 and 1).
 */
export const MF = defineModel({
  kind: 'mf',
  about: 'matrix factorisation with biases (Koren et al. 2009)',
  options: {
    embeddingDim: common.embeddingDim,
    embeddingStd: { ...common.embeddingStd, default: 0.01 },
    feedback: choice('implicit', ['implicit', 'rating'], 'labels are clicks 0 or 1, or ratings'),
  },
  graph(g, { embeddingDim: width, embeddingStd: std, feedback }) {
    if (g.columns.length !== 2 || g.numericCount > 0) {
      const received = `${g.columns.length} tables and ${g.numericCount} dense features`
      throw new DlrmError(
        'ERR_SHAPE',
        `[mf] tables: expected two tables, users and items, and no dense features, received ${received}`,
      )
    }
    const vectors = embeddingBag(g, 'emb', { width, init: { kind: 'normal', scale: std } })
    const product = interactionDot(g, 'product', undefined, vectors, { width })
    const score = add(g, 'score', [linearBag(g, 'linear'), product])
    return feedback === 'rating' ? numbers(g, score) : clicks(g, score)
  },
})
