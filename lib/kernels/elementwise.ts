import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** The sum of arrays of one length, from left to right. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`. */
export function add(
  args: { inputs: readonly Float32Array[] },
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(elements('add', 'inputs', args.inputs), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradients of {@link add}: `dout [n]` for each of the `count` inputs. Errors: as `add`. */
export function addBackward(
  args: { count: number; dout: Float32Array },
  options?: KernelOptions,
): { dinputs: Float32Array[] } & KernelTiming {
  const check = new Arguments('add')
  const dout = check.anyFloats('dout', args.dout)
  const inputs = Array.from({ length: check.size('count', args.count) }, () => dout)
  const forward = elements('add', 'inputs', inputs)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dinputs: result.din as Float32Array[], ...timing }
}

/** A call on arrays of one length, each a matrix of one column. */
function elements(op: string, name: string, arrays: readonly Float32Array[]) {
  const check = new Arguments(op)
  const batch = check.anyFloats(`${name}[0]`, check.list(name, arrays)[0]).length
  const inputs = arrays.map((data, i) => ({ data: check.floats(`${name}[${i}]`, data, 'n', batch), cols: 1 }))
  return { op, batch, inputs }
}
