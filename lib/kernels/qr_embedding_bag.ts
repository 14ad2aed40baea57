import type { OpCall } from '../native.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** One compressed table of {@link qrEmbeddingBag}: two small ones and the lookups of both. */
export interface QrTable {
  /** `[R_q, E]` and `[R_r, E]`, row-major. */
  quotientWeight: Float32Array
  remainderWeight: Float32Array
  /** `[L]` each, below R_q and R_r. */
  quotients: Int32Array
  remainders: Int32Array
  /** `[B+1]`, or `[B]` without the closing L; of both. */
  offsets: Int32Array
  /** `[L]`, multiplies each composed row; mode sum only. */
  weights?: Float32Array
}

/** What {@link qrEmbeddingBag} takes. */
export interface QrEmbeddingBagArguments {
  /** B */
  batch: number
  /** E of every table. */
  width: number
  tables: readonly QrTable[]
  /** Default mult. */
  operation?: 'mult' | 'add' | 'concat'
  /** Default sum. */
  mode?: 'sum' | 'mean'
  /** With mult: pool each table's rows before they are multiplied. Default false. */
  poolFirst?: boolean
}

/**
 * Bags of composed rows: `out[b] = sum over the lookups i of bag b of weights[i] (quotient row op remainder row)`.
 *
 * - out `[B, T*E]`, with operation concat `[B, T*2E]`
 *
 * Errors: `ERR_INDEX`, `ERR_OFFSETS`, `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function qrEmbeddingBag(
  args: QrEmbeddingBagArguments,
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(qrCall(new Arguments('qr_embedding_bag'), args), options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of the rows that {@link qrEmbeddingBag} looked up, for `embeddingUpdate` with `perLookup`.
 *
 * - `dout` as its out; dquotients and dremainders: of each table `[L, E]`
 */
export function qrEmbeddingBagBackward(
  args: QrEmbeddingBagArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dquotients: Float32Array[]; dremainders: Float32Array[] } & KernelTiming {
  const check = new Arguments('qr_embedding_bag')
  const forward = qrCall(check, args)
  const cols = args.tables.length * args.width * (args.operation === 'concat' ? 2 : 1)
  const dout = check.floats('dout', args.dout, 'B x width of out', args.batch, cols)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const rows = result.dweights!
  return {
    dquotients: rows.filter((_, i) => i % 2 === 0),
    dremainders: rows.filter((_, i) => i % 2 === 1),
    ...timing,
  }
}

function qrCall(check: Arguments, args: QrEmbeddingBagArguments): OpCall {
  const { operation = 'mult', mode = 'sum', poolFirst = false } = args
  const batch = check.size('batch', args.batch)
  const width = check.size('width', args.width)
  const rows: number[] = []
  const params: Float32Array[] = []
  const bags: unknown[] = []
  check.list('tables', args.tables).forEach((table, t) => {
    const both = [
      ['quotientWeight', table.quotients],
      ['remainderWeight', table.remainders],
    ] as const
    for (const [name, indices] of both) {
      rows.push(check.quotient(`tables[${t}].${name}`, table[name], 'E', width))
      params.push(table[name])
      bags.push(table.offsets, indices, table.weights)
    }
  })
  const attrs = { rows, width, operation, mode, pool_first: poolFirst }
  return { op: 'qr_embedding_bag', attrs, batch, inputs: [{ bags }], params }
}
