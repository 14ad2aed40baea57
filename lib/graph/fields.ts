/** The first layer of most click models: what turns the fields of an example, columns of ids and dense features, into numbers. */
import { DlrmError } from '../errors.js'
import type { GraphBuilder, Value } from './builder.js'
import type { Init } from './init.js'
import { add, concat, embeddingBag, linearBag, mlp, numericEmbedding } from './ops.js'

/** Widths of embeddings by name of the column. */
export type Widths = { readonly [column: string]: number }

/** Options of {@link fields}. */
export interface FieldOptions {
  /** E */
  width: number
  /** Widths of single columns instead, by name. The vectors of a row are not all as wide then. */
  widths?: Widths
  /** Deviation of the normal distribution that the embeddings start from. */
  std: number
  /** Also the dense features; default true. */
  dense?: boolean
}

const ZERO: Init = { kind: 'constant', scale: 0 }

/** F: every column of ids (buckets are) and every other dense feature is one field. */
export const fieldCount = (g: GraphBuilder): number => g.columns.length + g.numericCount

/**
 * The width of the table of each of `g.columns`, or one for all. Errors: `ERR_ARGUMENT` for a column that is not there, or has no
 * table of its own.
 */
export function columnWidths(g: GraphBuilder, width: number, widths: Widths = {}): number | number[] {
  const own = new Map<number, number>()
  for (const [name, width] of Object.entries(widths)) {
    const { index, sharing } = g.column(name)
    if (sharing) {
      throw new DlrmError('ERR_ARGUMENT', `[graph] widths: ${name} has the table of ${sharing.name}, and its width`)
    }
    own.set(index, width)
  }
  if (own.size === 0) return width
  const owners = new Set(g.columns.map(column => (column.sharing ?? column).index))
  return [...owners].map(index => own.get(index) ?? width)
}

/**
 * The vectors of all F fields side by side: the pooled embedding of each column of ids, then `x_d v_d` of each dense feature.
 *
 * - out `[B, F*E]`, or the sum of the widths
 * - parameters `<name>.<t>.weight [R_t, E]`, `<name>_dense.weight [D, E]`
 */
export function fields(g: GraphBuilder, name: string, { width, widths, std, dense = true }: FieldOptions): Value {
  const init: Init = { kind: 'normal', scale: std }
  const parts: Value[] = []
  if (g.columns.length > 0) parts.push(embeddingBag(g, name, { width: columnWidths(g, width, widths), init }))
  if (dense && g.numericCount > 0) {
    parts.push(g.group('tables', () => numericEmbedding(g, `${name}_dense`, g.numeric, { width, init })))
  }
  return parts.length === 1 ? parts[0]! : concat(g, `${name}_fields`, parts)
}

/**
 * The linear part of a model: a weight per id, a weight per dense feature, and a bias.
 *
 * - out `[B, 1]`
 * - parameters `<name>.<t>.weight [R_t, 1]`, `<name>.bias [1]`, `<name>_dense.0.weight [1, D]`; all start at 0
 */
export function linear(g: GraphBuilder, name: string): Value {
  const dense = (bias: boolean) =>
    mlp(g, `${name}_dense`, g.numeric, { layers: [1], last: 'none', bias, init: ZERO, biasInit: ZERO })
  if (g.columns.length === 0) return dense(true)
  const ids = linearBag(g, name)
  return g.numericCount > 0 ? add(g, `${name}_sum`, [ids, dense(false)]) : ids
}
