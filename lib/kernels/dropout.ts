import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** Which of a training step's random numbers a kernel takes; node names play their part only in a graph. */
export interface Draw {
  /** Seed of the generator; default 0. */
  key?: number
  /** Number of the step, from 1, the default. */
  step?: number
}

/** What {@link dropout} takes. */
export interface DropoutArguments extends Draw {
  /** B: elements are drawn by row and column. */
  batch: number
  /** `[B, N]` */
  x: Float32Array
  /** Share of elements dropped, in [0, 1). */
  rate: number
}

/**
 * Dropout as a training step does it: each element is 0 with probability `rate`, else times 1 / (1 - rate).
 * The same `key` and `step` drop the same elements, whatever the instruction set and the number of threads.
 *
 * - out `[B, N]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function dropout(args: DropoutArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(dropoutCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradient of {@link dropout}: dx `[B, N]` = `dout` where the element was kept, times the same scale. Errors: as `dropout`. */
export function dropoutBackward(
  args: DropoutArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array } & KernelTiming {
  const forward = dropoutCall(args)
  const dout = new Arguments('dropout').floats('dout', args.dout, 'B x N', args.batch, forward.inputs[0]!.cols)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, ...timing }
}

function dropoutCall({ batch, x, rate, key = 0, step = 1 }: DropoutArguments) {
  const check = new Arguments('dropout')
  check.size('batch', batch)
  const inputs = [{ data: x, cols: check.quotient('x', x, 'B', batch) }]
  return { op: 'dropout', attrs: { rate }, batch, inputs, training: true, key, step }
}
