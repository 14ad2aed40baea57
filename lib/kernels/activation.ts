import type { ActivationKind } from '../graph/norm_ops.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** What {@link activation} takes. */
export interface ActivationArguments {
  kind: ActivationKind
  /** B */
  batch: number
  /** `[B, N]` */
  x: Float32Array
  /** prelu only: the slope of each column `[N]` where x is not positive. */
  weight?: Float32Array
}

/**
 * An activation, element by element: relu, prelu, gelu (x Phi(x)), sigmoid, tanh.
 *
 * - out `[B, N]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function activation(args: ActivationArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(activationCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradients of {@link activation}: dx `[B, N]` and, of prelu, dweight `[N]`. Errors: as `activation`. */
export function activationBackward(
  args: ActivationArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; dweight?: Float32Array } & KernelTiming {
  const forward = activationCall(args)
  const dout = new Arguments('activation').floats('dout', args.dout, 'B x N', args.batch, forward.inputs[0]!.cols)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, dweight: result.dparams![0] ?? undefined, ...timing }
}

function activationCall({ kind, batch, x, weight }: ActivationArguments) {
  const check = new Arguments('activation')
  check.size('batch', batch)
  const cols = check.quotient('x', x, 'B', batch)
  const params = kind === 'prelu' ? [check.floats('weight', weight, 'N', cols)] : []
  return { op: 'activation', attrs: { kind }, batch, inputs: [{ data: x, cols }], params }
}
