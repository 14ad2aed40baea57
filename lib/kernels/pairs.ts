import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** What the kernels over fields take. */
export interface FieldsArguments {
  /** B */
  batch: number
  /** E */
  width: number
  /** The F vectors of each example side by side, `[B, F*E]`. */
  x: Float32Array
}

/**
 * The sum over all pairs of an example's F vectors of <v_i, v_j> (Rendle 2010, equation 5).
 *
 * - out `[B, 1]`, or with `vector` the sum of the elementwise products, `[B, E]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function fmPair(
  args: FieldsArguments & { vector?: boolean },
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(fieldsCall('fm_pair', args, { vector: args.vector ?? false }), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradient of {@link fmPair}: `dout [B, 1]`, or `[B, E]` with `vector`; dx `[B, F*E]`. Errors: as `fmPair`. */
export function fmPairBackward(
  args: FieldsArguments & { vector?: boolean; dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array } & KernelTiming {
  const { vector = false } = args
  const forward = fieldsCall('fm_pair', args, { vector })
  const dout = new Arguments('fm_pair').floats('dout', args.dout, 'B x n', args.batch, vector ? args.width : 1)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, ...timing }
}

function fieldsCall(op: string, { batch, width, x }: FieldsArguments, attrs: { vector?: boolean } = {}) {
  const check = new Arguments(op)
  check.size('batch', batch)
  check.size('width', width)
  const cols = check.quotient('x', x, 'B', batch)
  return { op, attrs: { width, ...attrs }, batch, inputs: [{ data: x, cols }] }
}
