import type { Attrs, OpCall } from '../native.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'
import { type EmbeddingBagTable, readTables } from './embedding_bag.js'

/** What {@link linearBag} takes. */
export interface LinearBagArguments {
  /** One or more, all of the same B; `weight` is `[R, 1]`. Modes sum and mean. */
  tables: readonly Omit<EmbeddingBagTable, 'width' | 'rowWeights'>[]
  /** Of the tables that have none of their own; default sum. */
  mode?: 'sum' | 'mean'
  /** `[1]`; default none. */
  bias?: Float32Array
}

/**
 * One weight per id: `out[b] = bias + sum over the columns and the lookups i of bag b of weights[i] weight[indices[i]]`.
 *
 * - out `[B]`
 *
 * Errors: `ERR_INDEX`, `ERR_OFFSETS`, `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function linearBag(args: LinearBagArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(linearCall(new Arguments('linear_bag'), args), options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of {@link linearBag}; those of the tables are made and spent at once by `embeddingUpdate` with `sharedGradient`.
 *
 * - `dout [B]`; dbias `[1]` if there is a bias; dlookup, if a column has `weights`: of each column `[L]`
 */
export function linearBagBackward(
  args: LinearBagArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dbias?: Float32Array; dlookup?: Float32Array[] } & KernelTiming {
  const check = new Arguments('linear_bag')
  const forward = linearCall(check, args)
  const dout = check.floats('dout', args.dout, 'B', forward.batch)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const dbias = args.bias && result.dparams?.at(-1)
  return { ...(dbias && { dbias }), ...(result.dweights && { dlookup: result.dweights }), ...timing }
}

function linearCall(check: Arguments, args: LinearBagArguments): OpCall {
  const { bias, mode } = args
  const { attrs, batch, bags, weights } = readTables(check, { tables: args.tables, width: 1, ...(mode && { mode }) })
  const all: Attrs = { ...attrs, bias: bias !== undefined }
  const params = bias ? [...weights, check.floats('bias', bias, '1', 1)] : weights
  return { op: 'linear_bag', attrs: all, batch, inputs: [{ bags }], params }
}
