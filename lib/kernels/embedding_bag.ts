import type { Bags } from '../data/batch.js'
import { type Attrs, native, type OpCall, type TableDtype } from '../native.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** How a bag becomes one row. */
export type Pooling = 'sum' | 'mean' | 'max'

/**
 * One column of lookups and the table they are in: bag b is `indices[offsets[b]] .. indices[offsets[b+1] - 1]`. Columns with
 * the same `weight` array share a table.
 */
export interface EmbeddingBagTable extends Bags {
  /** `[R, E]`, row-major; of another `dtype` than f32 the rows that `tableRows` makes. */
  weight: TableWeights
  /** `[B+1]`, never decreasing, from 0 to L. */
  offsets: Int32Array | BigInt64Array
  /** One factor per row, `[R]`, in all tables or in none; mode sum without per-sample `weights` only. */
  rowWeights?: Float32Array
  /** E; default the `width` of all. */
  width?: number
  /** Default the `mode` of all. */
  mode?: Pooling
}

/** Rows of a table: Float32Array of f32, Uint16Array of bf16 and f16, Uint8Array of int8 and int4. */
export type TableWeights = Float32Array | Uint16Array | Uint8Array

/** What {@link embeddingBag} takes. */
export interface EmbeddingBagArguments {
  /** One or more, all of the same B. */
  tables: readonly EmbeddingBagTable[]
  /** E of the tables that have none of their own. */
  width?: number
  /** How a bag becomes one row; default sum. Per-sample `weights` go with sum only. */
  mode?: Pooling
  /** How all tables lie in memory; default f32. */
  dtype?: TableDtype
}

/**
 * Pooled embedding rows of T columns, side by side.
 *
 * ```
 * out[b, column t] = sum (mean, max) over bag b of weights[i] rowWeights[indices[i]] weight[indices[i], :]
 * ```
 *
 * - out `[B, sum of E]`; an empty bag gives zeros
 * - positions `[B, sum of E over the columns of mode max]`, if there is one: the lookup i that won each element, -1 for an
 *   empty bag
 *
 * Errors: `ERR_INDEX`, `ERR_OFFSETS`, `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function embeddingBag(
  args: EmbeddingBagArguments,
  options?: KernelOptions,
): { out: Float32Array; positions?: Int32Array } & KernelTiming {
  const { result, timing } = call(bagCall(new Arguments('embedding_bag'), args), options)
  const out = result.outputs[0]!
  const positions = result.saved[0] as Int32Array | undefined
  return positions ? { out, positions, ...timing } : { out, ...timing }
}

/**
 * Gradients of {@link embeddingBag} by its factors, for mode sum with `weights` or `rowWeights`; the gradient by the rows is
 * made and spent at once by `embeddingUpdate`.
 *
 * - `dout [B, sum of E]`; dlookup: of each column `[L]`, `<dout[b,:], weight[indices[i],:]>`
 *
 * Errors: as `embeddingBag`; `ERR_ARGUMENT` when there are no factors.
 */
export function embeddingBagBackward(
  args: EmbeddingBagArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dlookup: Float32Array[] } & KernelTiming {
  const check = new Arguments('embedding_bag')
  const { cols, ...forward } = bagCall(check, args)
  if (args.dtype === 'int8' || args.dtype === 'int4')
    check.fail('ERR_ARGUMENT', `dtype: tables of ${args.dtype} are for predictions: there is no backward pass`)
  const dout = check.floats('dout', args.dout, 'B x sum of E', forward.batch, cols)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const dlookup =
    result.dweights ??
    check.fail('ERR_ARGUMENT', 'backward: expected tables with weights or rowWeights, received neither')
  return { dlookup, ...timing }
}

function bagCall(check: Arguments, args: EmbeddingBagArguments): OpCall & { cols: number } {
  const { attrs, dtype, batch, bags, weights, rowWeights, cols } = readTables(check, args)
  const row_weights = rowWeights.length > 0 ? 'row_weights' : ''
  const params = [...weights, ...rowWeights]
  return { op: 'embedding_bag', attrs: { ...attrs, dtype, row_weights }, batch, inputs: [{ bags }], params, cols }
}

/** What an op takes of columns and tables. `@internal` */
export interface CheckedTables {
  /** Its options. */
  attrs: Attrs
  dtype: TableDtype
  batch: number
  /** Flattened. */
  bags: unknown[]
  /** First column of each table. */
  owners: number[]
  /** Of each table. */
  weights: TableWeights[]
  /** Of each table, or none. */
  rowWeights: Float32Array[]
  rows: number[]
  widths: number[]
  /** Sum of E over the columns, and over those of mode max. */
  cols: number
  positionsCols: number
}

/** Sizes and flattened bags of columns, and their tables. `@internal` */
export function readTables(check: Arguments, args: EmbeddingBagArguments): CheckedTables {
  const columns = check.list('tables', args.tables)
  const widthOf = columns.map(({ width = args.width }, c) =>
    check.size(columns[c]!.width === undefined ? 'width' : `tables[${c}].width`, width),
  )
  const dtype = args.dtype ?? 'f32'
  const rowsOf = columns.map(({ weight }, c) => rowsIn(check, `tables[${c}].weight`, weight, dtype, widthOf[c]!))
  const owners: number[] = []
  const tables = columns.map(({ weight }, c) => {
    const found = owners.findIndex(owner => columns[owner]!.weight === weight)
    if (found < 0) return owners.push(c) - 1
    if (widthOf[owners[found]!] !== widthOf[c])
      check.fail('ERR_SHAPE', `tables[${c}].width: shares a table of width ${widthOf[owners[found]!]}`)
    return found
  })
  const modes = columns.map(({ mode = args.mode ?? 'sum' }) => mode)
  const { batch, bags } = readBags(check, columns)
  const rows = owners.map(c => rowsOf[c]!)
  const widths = owners.map(c => widthOf[c]!)
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
  return {
    attrs: { rows, widths, tables, modes },
    dtype,
    batch,
    bags,
    owners,
    weights: owners.map(c => columns[c]!.weight),
    rowWeights: readRowWeights(check, columns, owners, rows),
    rows,
    widths,
    cols: sum(widthOf),
    positionsCols: sum(widthOf.filter((_, c) => modes[c] === 'max')),
  }
}

const ARRAYS = { f32: Float32Array, bf16: Uint16Array, f16: Uint16Array, int8: Uint8Array, int4: Uint8Array }

/** Elements of a row. */
const rowLength = (dtype: TableDtype, width: number): number =>
  dtype === 'int8' ? width + 8 : dtype === 'int4' ? Math.ceil(width / 2) + 4 : width

/** R of a table of this type. */
function rowsIn(check: Arguments, name: string, weight: unknown, dtype: TableDtype, width: number): number {
  if (dtype === 'f32') return check.quotient(name, weight, 'E', width)
  const Kind = Object.hasOwn(ARRAYS, dtype)
    ? ARRAYS[dtype]
    : check.fail('ERR_ARGUMENT', `dtype: expected ${Object.keys(ARRAYS).join(' or ')}, received ${String(dtype)}`)
  if (!(weight instanceof Kind)) check.fail('ERR_ARGUMENT', `${name}: expected a ${Kind.name} of ${dtype}`)
  const row = rowLength(dtype, width)
  if (weight.length === 0 || weight.length % row !== 0)
    check.fail(
      'ERR_SHAPE',
      `${name}: expected a multiple of ${row} elements, a row of ${dtype}, received ${weight.length}`,
    )
  return weight.length / row
}

/** What {@link tableRows} and {@link tableFloats} take. */
export interface TableRowsArguments<W> {
  /** `[R, E]`, row-major. */
  weight: W
  /** E */
  width: number
  dtype: TableDtype
}

/**
 * Rows of floats as tables of another type have them: bf16 and f16 to the nearest; int8 and int4 quantised by row, byte for byte as
 * `torch.ops.quantized.embedding_bag_byte_prepack` and `..._4bit_prepack`: E bytes (or half as many, the even columns in the lower
 * halves), then the row's scale and its least number, both float32 (float16). Errors: `ERR_ARGUMENT`, `ERR_SHAPE`.
 */
export function tableRows({ weight, width, dtype }: TableRowsArguments<Float32Array>): TableWeights {
  const check = new Arguments('embedding_bag')
  const rows = check.quotient('weight', weight, 'E', check.size('width', width))
  if (!Object.hasOwn(ARRAYS, dtype)) rowsIn(check, 'weight', weight, dtype, width)
  const to = new ARRAYS[dtype](rows * rowLength(dtype, width))
  native.tableRows(dtype, width, rows, weight, to)
  return to
}

/** The numbers of such rows, `[R, E]`. Errors: as {@link tableRows}. */
export function tableFloats({ weight, width, dtype }: TableRowsArguments<TableWeights>): Float32Array {
  const check = new Arguments('embedding_bag')
  const rows = rowsIn(check, 'weight', weight, dtype, check.size('width', width))
  const to = new Float32Array(rows * width)
  native.tableFloats(dtype, width, rows, weight, to)
  return to
}

/** B and the flattened bags. `@internal` */
export function readBags(check: Arguments, columns: readonly Bags[]): { batch: number; bags: unknown[] } {
  const batch = ((columns[0]!.offsets as ArrayLike<unknown>)?.length ?? 0) - 1
  for (const [t, { offsets }] of columns.entries()) {
    const length = (offsets as ArrayLike<unknown> | undefined)?.length
    if (length === undefined || length < 2)
      check.fail('ERR_SHAPE', `tables[${t}].offsets: expected B + 1 >= 2 elements, received ${length}`)
    if (length !== batch + 1)
      check.fail('ERR_SHAPE', `tables[${t}].offsets: expected B + 1 = ${batch + 1} elements, received ${length}`)
  }
  return { batch, bags: columns.flatMap(({ offsets, indices, weights }) => [offsets, indices, weights]) }
}

function readRowWeights(
  check: Arguments,
  columns: readonly EmbeddingBagTable[],
  owners: readonly number[],
  rows: readonly number[],
): Float32Array[] {
  const given = columns.filter(column => column.rowWeights).length
  if (given === 0) return []
  if (given !== columns.length)
    check.fail('ERR_ARGUMENT', `rowWeights: expected in all ${columns.length} tables or in none`)
  return owners.map((c, t) => check.floats(`tables[${c}].rowWeights`, columns[c]!.rowWeights, 'R', rows[t]!))
}
