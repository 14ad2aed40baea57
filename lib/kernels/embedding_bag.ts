import type { Bags } from '../data/batch.js'
import type { Attrs, OpCall } from '../native.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** One table and its lookups: bag b is `indices[offsets[b]] .. indices[offsets[b+1] - 1]`. */
export interface EmbeddingBagTable extends Bags {
  /** `[R, E]`, row-major. */
  weight: Float32Array
  /** `[B+1]`, never decreasing, from 0 to L. */
  offsets: Int32Array | BigInt64Array
  /** One factor per row, `[R]`, in all tables or in none; mode sum without per-sample `weights` only. */
  rowWeights?: Float32Array
}

/** What {@link embeddingBag} takes. */
export interface EmbeddingBagArguments {
  /** One or more, all of the same B. */
  tables: readonly EmbeddingBagTable[]
  /** E */
  width: number
  /** How a bag becomes one row; default sum. Per-sample `weights` go with sum only. */
  mode?: 'sum' | 'mean' | 'max'
}

/**
 * Pooled embedding rows of T tables, side by side.
 *
 * ```
 * out[b, t*E .. (t+1)*E) = sum (mean, max) over bag b of weights[i] rowWeights[indices[i]] weight[indices[i], :]
 * ```
 *
 * - out `[B, T*E]`; an empty bag gives zeros
 * - positions `[B, T*E]`, mode max only: the lookup i that won each element, -1 for an empty bag
 *
 * Errors: `ERR_INDEX`, `ERR_OFFSETS`, `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function embeddingBag(
  args: EmbeddingBagArguments,
  options?: KernelOptions,
): { out: Float32Array; positions?: Int32Array } & KernelTiming {
  const { result, timing } = call(bagCall(args), options)
  const out = result.outputs[0]!
  return args.mode === 'max' ? { out, positions: result.saved[0] as Int32Array, ...timing } : { out, ...timing }
}

/**
 * Gradients of {@link embeddingBag} by its factors, for mode sum with `weights` or `rowWeights`; the gradient by the rows is
 * made and spent at once by `embeddingUpdate`.
 *
 * - `dout [B, T*E]`; dlookup: of each table `[L]`, `<dout[b,:], weight[indices[i],:]>`
 *
 * Errors: as `embeddingBag`; `ERR_ARGUMENT` when there are no factors.
 */
export function embeddingBagBackward(
  args: EmbeddingBagArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dlookup: Float32Array[] } & KernelTiming {
  const forward = bagCall(args)
  const check = new Arguments('embedding_bag')
  const dout = check.floats('dout', args.dout, 'B x T x E', forward.batch, args.tables.length, args.width)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const dlookup =
    result.dweights ??
    check.fail('ERR_ARGUMENT', 'backward: expected tables with weights or rowWeights, received neither')
  return { dlookup, ...timing }
}

function bagCall({ tables, width, mode = 'sum' }: EmbeddingBagArguments): OpCall {
  const { rows, batch, bags, rowWeights } = readTables(new Arguments('embedding_bag'), tables, width)
  const attrs: Attrs = { rows, width, mode, row_weights: rowWeights.length > 0 ? 'row_weights' : '' }
  const params = [...tables.map(table => table.weight), ...rowWeights]
  return { op: 'embedding_bag', attrs, batch, inputs: [{ bags }], params }
}

/** Sizes and the flattened bags of checked tables. `@internal` */
export function readTables(check: Arguments, tables: readonly EmbeddingBagTable[], width: number) {
  check.size('width', width)
  const rows = check.list('tables', tables).map(({ weight }, t) => {
    return check.quotient(`tables[${t}].weight`, weight, 'E', width)
  })
  const batch = (tables[0]!.offsets?.length ?? 0) - 1
  for (const [t, { offsets }] of tables.entries()) {
    if (!(offsets?.length >= 2))
      check.fail('ERR_SHAPE', `tables[${t}].offsets: expected B + 1 >= 2 elements, received ${offsets?.length}`)
    if (offsets.length !== batch + 1)
      check.fail(
        'ERR_SHAPE',
        `tables[${t}].offsets: expected B + 1 = ${batch + 1} elements, received ${offsets.length}`,
      )
  }
  const bags = tables.flatMap(({ offsets, indices, weights }) => [offsets, indices, weights])
  const rowWeights = tables.flatMap(table => table.rowWeights ?? [])
  if (rowWeights.length !== 0 && rowWeights.length !== tables.length)
    check.fail('ERR_ARGUMENT', `rowWeights: expected in all ${tables.length} tables or in none`)
  rowWeights.forEach((factors, t) => {
    check.floats(`tables[${t}].rowWeights`, factors, 'R', rows[t]!)
  })
  return { rows, batch, bags, rowWeights }
}
