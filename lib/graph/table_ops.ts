import { DlrmError } from '../errors.js'
import type { Attrs } from '../native.js'
import type { Column, GraphBuilder, Pooling, Value } from './builder.js'
import { type Init, initAttrs } from './init.js'

/** Which columns an op reads, and which table each looks up. */
export interface TableOptions {
  /** Default: those of a batch, `g.columns`. */
  columns?: readonly Column[]
  /**
   * Number of each column's table, from 0 without gaps: columns with the same number share a table, which has as many rows as
   * the longest of them. Default: one each, but for columns that share by their own `sharing`.
   */
  tables?: readonly number[]
}

/** Options of {@link embeddingBag}. */
export interface EmbeddingBagOptions extends TableOptions {
  /** E, of all tables or one for each. */
  width: number | readonly number[]
  /** Of all columns or one for each; default each column's own. Per-sample weights go with sum only. */
  mode?: Pooling | readonly Pooling[]
  /** One learned factor per row, parameters of this prefix; mode sum only. */
  rowWeights?: string
  /** Default uniform in +-sqrt(1 / R), as in the DLRM reference. */
  init?: Init
}

/**
 * Bags of columns, each pooled to one row of its table, side by side.
 *
 * - out `[B, sum of E over the columns]`; an empty bag gives zeros
 * - parameters `<name>.<t>.weight [R_t, E_t]` of table t, of the graph's `tableDtype`, with `rowWeights` also `<rowWeights>.<t> [R_t]`
 */
export function embeddingBag(g: GraphBuilder, name: string, options: EmbeddingBagOptions): Value {
  const { columns = g.columns, width, rowWeights = '', init } = options
  const { mode = columns.map(column => column.pooling ?? 'sum') } = options
  return g.add('embedding_bag', name, [g.tables], {
    ...tableAttrs(g, 'embeddingBag', options),
    ...(typeof width === 'number' ? { width } : { widths: [...width] }),
    ...modeAttrs(mode),
    row_weights: rowWeights,
    ...(g.tableDtype === 'f32' ? {} : { dtype: g.tableDtype }),
    ...initAttrs(init),
  })
}

/** Options of {@link linearBag}. */
export interface LinearBagOptions extends TableOptions {
  /** Of all columns or one for each; default mean for the columns that are pooled by mean or max, sum for the others. */
  mode?: 'sum' | 'mean' | readonly ('sum' | 'mean')[]
  /** Default true. */
  bias?: boolean
  /** Of the tables; default zeros. The bias starts at 0. */
  init?: Init
}

/**
 * One learned weight per id: the sum of the weights of an example's ids, and a bias.
 *
 * - out `[B, 1]`
 * - parameters `<name>.<t>.weight [R_t, 1]` of table t and, unless `bias` is false, `<name>.bias [1]`
 */
export function linearBag(g: GraphBuilder, name: string, options: LinearBagOptions = {}): Value {
  const { columns = g.columns, bias = true, init } = options
  const { mode = columns.map(column => ((column.pooling ?? 'sum') === 'sum' ? 'sum' : 'mean')) } = options
  const attrs = { ...tableAttrs(g, 'linearBag', options), ...modeAttrs(mode), bias, ...initAttrs(init) }
  return g.add('linear_bag', name, [g.tables], attrs)
}

const modeAttrs = (mode: Pooling | readonly Pooling[]): Attrs =>
  typeof mode === 'string' ? { mode } : { modes: [...mode] }

/** A table for each column, from 0 in order, but one for columns that share. */
function tableNumbers(columns: readonly Column[]): number[] {
  const numbers = new Map<number, number>()
  return columns.map(column => {
    const owner = (column.sharing ?? column).index
    if (!numbers.has(owner)) numbers.set(owner, numbers.size)
    return numbers.get(owner)!
  })
}

/** The options `columns`, `tables` and `rows` of a native op that reads tables. `@internal` */
export function tableAttrs(g: GraphBuilder, op: string, options: TableOptions): Attrs {
  const { columns = g.columns } = options
  const { tables = tableNumbers(columns) } = options
  if (columns.length === 0) throw new DlrmError('ERR_ARGUMENT', `[${op}] columns: expected at least one`)
  if (tables.length !== columns.length)
    throw new DlrmError(
      'ERR_SHAPE',
      `[${op}] tables: expected one for each of the ${columns.length} columns, received ${tables.length}`,
    )
  for (const t of tables)
    if (!Number.isSafeInteger(t) || t < 0 || t >= columns.length)
      throw new DlrmError('ERR_ARGUMENT', `[${op}] tables: expected numbers from 0 without gaps, received ${t}`)
  const rows = new Array<number>(1 + Math.max(...tables)).fill(0)
  tables.forEach((t, c) => {
    rows[t] = Math.max(rows[t]!, columns[c]!.rows)
  })
  return { columns: columns.map(column => column.index), tables: [...tables], rows }
}
