import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/**
 * Columns side by side.
 *
 * - inputs `[B, N_i]`, one or more; out `[B, sum of N_i]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function concat(
  args: { batch: number; inputs: readonly Float32Array[] },
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { batch, inputs } = args
  const check = new Arguments('concat')
  check.size('batch', batch)
  const matrices = check.list('inputs', inputs).map((data, i) => {
    return { data, cols: check.quotient(`inputs[${i}]`, data, 'B', batch) }
  })
  const { result, timing } = call({ op: 'concat', batch, inputs: matrices }, options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of {@link concat}: the columns of `dout [B, sum of widths]` that each input became.
 *
 * - `widths`: N_i of each input; dinputs: `[B, N_i]` of each
 *
 * Errors: as `concat`.
 */
export function concatBackward(
  args: { batch: number; widths: readonly number[]; dout: Float32Array },
  options?: KernelOptions,
): { dinputs: Float32Array[] } & KernelTiming {
  const { batch, widths } = args
  const check = new Arguments('concat')
  check.size('batch', batch)
  check.list('widths', widths).forEach((width, i) => {
    check.size(`widths[${i}]`, width)
  })
  const columns = widths.reduce((a, b) => a + b, 0)
  const dout = check.floats('dout', args.dout, 'B x sum of widths', batch, columns)
  const inputs = widths.map(cols => ({ data: new Float32Array(batch * cols), cols }))
  const { result, timing } = call({ op: 'concat', batch, inputs, dout: [dout], backward: true }, options)
  return { dinputs: result.din as Float32Array[], ...timing }
}
