import type { Value } from '../graph/builder.js'
import { fields } from '../graph/fields.js'
import { bceLoss, concat, exp, mul, sqrt } from '../graph/ops.js'
import { concatOptions, deep } from './deep.js'
import { defineModel } from './define.js'
import { flag } from './options.js'

/**
 * YouTube's ranking model (Covington et al. 2016, section 4): an MLP on embeddings and on each normalised dense feature x beside its
 * sqrt(x) and x^2, trained by weighted logistic regression. An impression that was watched weighs its watch time (`batch.weights`), one
 * that was not weighs 1; then the odds are about the expected watch time, and e^logit is what `predict` returns (section 4.2).
 *
 * Dense features are expected in [0, 1): the paper's normalisation (section 4.1) is `transform: 'quantile'` of `openCsv` and
 * `openCriteo`, `--transform=quantile` on the command line.
 */
export const YouTubeRanking = defineModel({
  kind: 'youtube_ranking',
  about: 'expected watch time by weighted logistic regression (Covington et al. 2016)',
  options: { ...concatOptions, powers: flag(true, 'also the square root and the square of each dense feature') },
  graph(g, options) {
    const { embeddingDim: width, embeddingDims: widths, embeddingStd: std, powers } = options
    const parts: Value[] = []
    if (g.columns.length > 0) parts.push(fields(g, 'emb', { width, widths, std, dense: false }))
    if (g.numericCount > 0) {
      parts.push(g.numeric)
      if (powers) parts.push(sqrt(g, 'sqrt', g.numeric), mul(g, 'square', g.numeric, g.numeric))
    }
    const logit = deep(g, 'mlp', concat(g, 'x', parts), options)
    return {
      prediction: exp(g, 'expected_weight', logit),
      loss: bceLoss(g, 'loss', logit, g.labels),
      predicts: 'number' as const,
    }
  },
})
