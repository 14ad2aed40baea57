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

/**
 * The pairs of a field-aware factorization machine (Juan et al. 2016, equation 2): the sum over i > j of <v_i,j , v_j,i>.
 *
 * - `width` k; `x [B, F*(F-1)*k]`: of each field its F-1 vectors for the other fields, in their order
 * - out `[B, 1]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function ffmPair(args: FieldsArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(fieldsCall('ffm_pair', args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradient of {@link ffmPair}: `dout [B, 1]`; dx `[B, F*(F-1)*k]`. Errors: as `ffmPair`. */
export function ffmPairBackward(
  args: FieldsArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array } & KernelTiming {
  const forward = fieldsCall('ffm_pair', args)
  const dout = new Arguments('ffm_pair').floats('dout', args.dout, 'B', args.batch)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, ...timing }
}

/** What {@link fieldWeightedPair} takes. */
export interface FieldWeightedPairArguments extends FieldsArguments {
  /** r `[P]`, row by row through the strict lower triangle: (1,0), (2,0), (2,1), ...; P = F(F-1)/2. */
  weight: Float32Array
}

/**
 * All pairs of an example's F vectors, each with its weight (Pan et al. 2018, equation 4): the sum over i > j of
 * r_ij <v_i, v_j>. Pairs whose weight is exactly 0 are skipped.
 *
 * - out `[B, 1]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function fieldWeightedPair(
  args: FieldWeightedPairArguments,
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(fieldWeightedCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradients of {@link fieldWeightedPair}: `dout [B, 1]`; dx `[B, F*E]`, dweight `[P]`. Errors: as `fieldWeightedPair`. */
export function fieldWeightedPairBackward(
  args: FieldWeightedPairArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; dweight: Float32Array } & KernelTiming {
  const forward = fieldWeightedCall(args)
  const dout = new Arguments('field_weighted_pair').floats('dout', args.dout, 'B', args.batch)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, dweight: result.dparams![0]!, ...timing }
}

/** What {@link numericEmbedding} takes. */
export interface NumericEmbeddingArguments {
  /** B */
  batch: number
  /** `[B, D]` */
  x: Float32Array
  /** `[D, E]` */
  weight: Float32Array
}

/** A vector for each number, scaled by it: out `[B, D*E]`, x_d v_d. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`. */
export function numericEmbedding(
  args: NumericEmbeddingArguments,
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(numericCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradients of {@link numericEmbedding}: `dout [B, D*E]`; dx `[B, D]`, dweight `[D, E]`. Errors: as `numericEmbedding`. */
export function numericEmbeddingBackward(
  args: NumericEmbeddingArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; dweight: Float32Array } & KernelTiming {
  const forward = numericCall(args)
  const check = new Arguments('numeric_embedding')
  const dout = check.floats('dout', args.dout, 'B x D x E', args.batch, args.weight.length)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, dweight: result.dparams![0]!, ...timing }
}

function fieldWeightedCall(args: FieldWeightedPairArguments) {
  const forward = fieldsCall('field_weighted_pair', args)
  const fields = Math.floor(forward.inputs[0]!.cols / args.width)
  const check = new Arguments('field_weighted_pair')
  return { ...forward, params: [check.floats('weight', args.weight, 'P', (fields * (fields - 1)) / 2)] }
}

function numericCall({ batch, x, weight }: NumericEmbeddingArguments) {
  const check = new Arguments('numeric_embedding')
  const cols = check.quotient('x', x, 'B', check.size('batch', batch))
  const width = check.quotient('weight', weight, 'D', cols)
  return { op: 'numeric_embedding', attrs: { width }, batch, inputs: [{ data: x, cols }], params: [weight] }
}

function fieldsCall(op: string, { batch, width, x }: FieldsArguments, attrs: { vector?: boolean } = {}) {
  const check = new Arguments(op)
  check.size('batch', batch)
  check.size('width', width)
  const cols = check.quotient('x', x, 'B', batch)
  return { op, attrs: { width, ...attrs }, batch, inputs: [{ data: x, cols }] }
}
