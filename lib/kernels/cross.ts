import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** One layer of {@link cross}. */
export interface CrossLayer {
  /** w `[N]` */
  weight: Float32Array
  /** b `[N]` */
  bias: Float32Array
}

/** What {@link cross} takes. */
export interface CrossArguments {
  /** B */
  batch: number
  /** x_0 `[B, N]` */
  x: Float32Array
  /** One or more, at most 64. */
  layers: readonly CrossLayer[]
}

/**
 * The cross layers of DCN (Wang et al. 2017, arXiv 1708.05123, equation 3): x_{l+1} = x_0 (x_l . w_l) + b_l + x_l.
 *
 * - out `[B, N]` = x_L
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function cross(args: CrossArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(crossCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of {@link cross}: runs it forward once, then times the backward pass.
 *
 * - `dout [B, N]`; dx `[B, N]`; layers: dweight `[N]` and dbias `[N]` of each
 *
 * Errors: as `cross`.
 */
export function crossBackward(
  args: CrossArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; layers: { dweight: Float32Array; dbias: Float32Array }[] } & KernelTiming {
  const forward = crossCall(args)
  const dout = new Arguments('cross').floats('dout', args.dout, 'B x N', args.batch, forward.inputs[0]!.cols)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const gradients = result.dparams!
  const layers = args.layers.map((_, l) => ({ dweight: gradients[2 * l]!, dbias: gradients[2 * l + 1]! }))
  return { dx: result.din![0]!, layers, ...timing }
}

function crossCall({ batch, x, layers }: CrossArguments) {
  const check = new Arguments('cross')
  check.size('batch', batch)
  const cols = check.quotient('x', x, 'B', batch)
  const params = check
    .list('layers', layers)
    .flatMap(({ weight, bias }, l) => [
      check.floats(`layers[${l}].weight`, weight, 'N', cols),
      check.floats(`layers[${l}].bias`, bias, 'N', cols),
    ])
  return { op: 'cross', attrs: { layers: layers.length }, batch, inputs: [{ data: x, cols }], params }
}
