import { fields } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { add, linearBag, mlp } from '../graph/ops.js'
import { concatOptions, deep, ZERO } from './deep.js'
import { defineModel } from './define.js'
import { columnPairs, flag, integer } from './options.js'

/**
 * Wide & Deep (Cheng et al. 2016, arXiv 1606.07792, figure 1): a linear model on columns and their crosses beside an MLP on embeddings,
 * trained together. The wide side is the parameter group `wide`, which can have an optimizer of its own: the paper's FTRL with L1
 * is `--wide-optimizer=ftrl --ftrl-l1=<x>` on the command line.
 *
 * ```
 * columns, crosses -> linear (wide) -+-> logit -> probability
 * fields -> embeddings -> MLP (deep)-+
 * ```
 */
export const WideDeep = defineModel({
  kind: 'wide_deep',
  about: 'linear model on columns and crosses beside an MLP (Cheng et al. 2016)',
  options: {
    ...concatOptions,
    crosses: columnPairs('wide side: pairs of columns whose combinations get a weight each'),
    crossRows: integer(100_000, 'wide side: weights of each pair of columns; combinations are hashed to them', {
      placeholder: 'R',
    }),
    wideColumns: flag(true, 'wide side: also a weight for each id of every column'),
  },
  graph(g, options) {
    const { embeddingDim: width, embeddingDims: widths, embeddingStd: std, crosses, crossRows, wideColumns } = options
    const wide = g.group('wide', () => {
      const crossed = crosses.map(([a, b]) => g.cross(g.column(a), g.column(b), crossRows))
      const columns = [...(wideColumns ? g.columns : []), ...crossed]
      const parts = columns.length > 0 ? [linearBag(g, 'wide', { columns })] : []
      if (g.numericCount > 0) {
        const bias = parts.length === 0
        parts.push(mlp(g, 'wide_dense', g.numeric, { layers: [1], last: 'none', bias, init: ZERO, biasInit: ZERO }))
      }
      return parts
    })
    const v = fields(g, 'emb', { width, widths, std })
    return clicks(g, add(g, 'logit', [...wide, deep(g, 'mlp', v, options)]))
  },
})
