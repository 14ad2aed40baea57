import type { Precision } from '../graph/ops.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** What {@link interactionDot} takes. */
export interface InteractionDotArguments {
  /** B */
  batch: number
  /** E */
  width: number
  /** The dense vector of each example, `[B, E]`; or none. */
  x?: Float32Array
  /** The T embeddings of each example side by side, `[B, T*E]`. */
  e: Float32Array
  /** Also the product of each vector with itself; default false. */
  itself?: boolean
  /** Of the factors of all products; default fp32. */
  precision?: Precision
}

/**
 * Dot products of all pairs of an example's F vectors (Naumov et al. 2019, arXiv 1906.00091, section 2.1.3), row by row
 * through the strict lower triangle: (1,0), (2,0), (2,1), ...; vector 0 is `x`, if there is one. F = T + 1 with `x`, else T.
 *
 * - out `[B, E + P]`, `x` first; without `x` `[B, P]`. P = F(F-1)/2, with `itself` F(F+1)/2
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function interactionDot(
  args: InteractionDotArguments,
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(interactionCall(args).forward, options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of {@link interactionDot}.
 *
 * - `dout [B, E + P]` (or `[B, P]`); dx `[B, E]`, absent without `x`; de `[B, T*E]`
 *
 * Errors: as `interactionDot`.
 */
export function interactionDotBackward(
  args: InteractionDotArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx?: Float32Array; de: Float32Array } & KernelTiming {
  const { forward, columns } = interactionCall(args)
  const dout = new Arguments('interaction_dot').floats('dout', args.dout, 'B x (E + P)', args.batch, columns)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const gradients = result.din! as Float32Array[]
  return args.x ? { dx: gradients[0], de: gradients[1]!, ...timing } : { de: gradients[0]!, ...timing }
}

function interactionCall({ batch, width, x, e, itself = false, precision = 'fp32' }: InteractionDotArguments) {
  const check = new Arguments('interaction_dot')
  check.size('batch', batch)
  check.size('width', width)
  const tables = check.quotient('e', e, 'B x E', batch * width)
  const inputs = [{ data: e, cols: tables * width }]
  if (x) inputs.unshift({ data: check.floats('x', x, 'B x E', batch, width), cols: width })
  const vectors = tables + (x ? 1 : 0)
  const pairs = (vectors * (vectors - 1)) / 2 + (itself ? vectors : 0)
  const forward = { op: 'interaction_dot', attrs: { width, itself, precision }, batch, inputs }
  return { forward, columns: (x ? width : 0) + pairs }
}
