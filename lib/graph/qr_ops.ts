import { DlrmError } from '../errors.js'
import type { Column, GraphBuilder, Value } from './builder.js'
import { type Init, initAttrs } from './init.js'

/** How a row of the quotient's table and one of the remainder's become one row: their product, sum, or both in turn. */
export type QrOperation = 'mult' | 'add' | 'concat'

/** Options of {@link qrEmbeddingBag}. */
export interface QrEmbeddingBagOptions {
  /** The columns to compress; default those of a batch, `g.columns`. */
  columns?: readonly Column[]
  /** E of every table; with `concat` a composed row has 2E numbers. */
  width: number
  /** c: ids with the same quotient by c share a row of one table, with the same remainder a row of the other. */
  collisions: number
  /** Default mult. */
  operation?: QrOperation
  /** Default sum. Per-sample weights go with sum only. */
  mode?: 'sum' | 'mean'
  /** Pool each table's rows before they are combined, as the DLRM reference does. Default false: compose each row first. */
  poolFirst?: boolean
  /** Default uniform such that a composed row starts with the variance of an uncompressed table's row. */
  init?: Init
}

/**
 * Bags of columns whose tables are compressed: id i looks up rows floor(i / c) and i mod c of two small tables, and what they
 * make is pooled (Shi et al. 2019, arXiv 1909.02107).
 *
 * - out `[B, F*E]`, with `concat` `[B, F*2E]`, F columns; an empty bag gives zeros
 * - parameters `<name>.<f>.weight_q [ceil(R_f / c), E]` and `<name>.<f>.weight_r [c, E]`
 */
export function qrEmbeddingBag(g: GraphBuilder, name: string, options: QrEmbeddingBagOptions): Value {
  const { columns = g.columns, width, collisions, operation = 'mult', mode = 'sum', poolFirst = false, init } = options
  if (columns.length === 0) throw new DlrmError('ERR_ARGUMENT', '[qrEmbeddingBag] columns: expected at least one')
  const pairs = columns.flatMap(column => [g.quotient(column, collisions), g.remainder(column, collisions)])
  return g.add('qr_embedding_bag', name, [g.tables], {
    columns: pairs.map(column => column.index),
    rows: pairs.map(column => column.rows),
    width,
    operation,
    mode,
    pool_first: poolFirst,
    ...initAttrs(init),
  })
}
