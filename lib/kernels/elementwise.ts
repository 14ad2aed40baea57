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

/** x * y, element by element. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`. */
export function mul(
  args: { x: Float32Array; y: Float32Array },
  options?: KernelOptions,
): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(mulCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradients of {@link mul}: dx = dout * y, dy = dout * x. Errors: as `mul`. */
export function mulBackward(
  args: { x: Float32Array; y: Float32Array; dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; dy: Float32Array } & KernelTiming {
  const forward = mulCall(args)
  const dout = new Arguments('mul').floats('dout', args.dout, 'n', forward.batch)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, dy: result.din![1]!, ...timing }
}

/** e^x, x limited to [-87, 88]. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`. */
export function exp(args: { x: Float32Array }, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(unaryCall('exp', args.x), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradient of {@link exp}: dx = e^x dout. Errors: as `exp`. */
export function expBackward(
  args: { x: Float32Array; dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array } & KernelTiming {
  return unaryBackward('exp', args, options)
}

/** Square roots, of 0 where x < 0. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`. */
export function sqrt(args: { x: Float32Array }, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(unaryCall('sqrt', args.x), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradient of {@link sqrt}: dx = dout / (2 sqrt(x)), 0 where x <= 0. Errors: as `sqrt`. */
export function sqrtBackward(
  args: { x: Float32Array; dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array } & KernelTiming {
  return unaryBackward('sqrt', args, options)
}

/** What {@link slice} takes. */
export interface SliceArguments {
  /** B */
  batch: number
  /** `[B, N]` */
  x: Float32Array
  /** First column, from 0. */
  start: number
  /** How many columns, at least 1. */
  length: number
}

/** Columns `start` to `start + length` of x: out `[B, length]`. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`. */
export function slice(args: SliceArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(sliceCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradient of {@link slice}: `dout [B, length]` in its columns of dx `[B, N]`, 0 in the others. Errors: as `slice`. */
export function sliceBackward(
  args: SliceArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array } & KernelTiming {
  const forward = sliceCall(args)
  const dout = new Arguments('slice').floats('dout', args.dout, 'B x length', args.batch, args.length)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, ...timing }
}

function mulCall({ x, y }: { x: Float32Array; y: Float32Array }) {
  const check = new Arguments('mul')
  const batch = check.anyFloats('x', x).length
  const inputs = [x, check.floats('y', y, 'n', batch)].map(data => ({ data, cols: 1 }))
  return { op: 'mul', batch, inputs }
}

function unaryCall(op: string, x: Float32Array) {
  const batch = new Arguments(op).anyFloats('x', x).length
  return { op, batch, inputs: [{ data: x, cols: 1 }] }
}

function unaryBackward(op: string, args: { x: Float32Array; dout: Float32Array }, options?: KernelOptions) {
  const forward = unaryCall(op, args.x)
  const dout = new Arguments(op).floats('dout', args.dout, 'n', forward.batch)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, ...timing }
}

function sliceCall({ batch, x, start, length }: SliceArguments) {
  const check = new Arguments('slice')
  check.size('batch', batch)
  check.size('length', length)
  const cols = check.quotient('x', x, 'B', batch)
  return { op: 'slice', attrs: { start, length }, batch, inputs: [{ data: x, cols }] }
}
