import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** What {@link bceLoss} takes. */
export interface BceLossArguments {
  /** `[B]` */
  logits: Float32Array
  /** `[B]`, in [0, 1]. */
  labels: Float32Array
  /** Clamps the probability to [t, 1 - t] when 0 < t < 1; default 0. */
  threshold?: number
  /** What an example's loss is multiplied by, of class 0 and class 1; default [1, 1]. */
  classWeights?: readonly [number, number]
  /** `[B]`, finite and >= 0: what an example's loss is multiplied by; the mean is still over B. Default 1. */
  weights?: Float32Array
}

/** What {@link mseLoss} takes. */
export interface MseLossArguments {
  /** Predictions `[B]`. */
  p: Float32Array
  /** `[B]` */
  labels: Float32Array
  /** As of {@link BceLossArguments}. */
  weights?: Float32Array
}

/**
 * Mean over B of v w(y) (-y log p - (1-y) log(1-p)), p = 1 / (1 + exp(-logit)), computed from the logits so that it never
 * overflows. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function bceLoss(args: BceLossArguments, options?: KernelOptions): { loss: number } & KernelTiming {
  const { result, timing } = call(bceCall(args), options)
  return { loss: result.outputs[0]![0]!, ...timing }
}

/** Gradient of {@link bceLoss}: dlogits `[B]` = dloss/B v w(y) (p - y), 0 where the threshold clamps. `dloss` is 1 unless given. */
export function bceLossBackward(
  args: BceLossArguments & { dloss?: number },
  options?: KernelOptions,
): { dlogits: Float32Array } & KernelTiming {
  const dout = [Float32Array.of(args.dloss ?? 1)]
  const { result, timing } = call({ ...bceCall(args), dout, backward: true }, options)
  return { dlogits: result.din![0]!, ...timing }
}

/** Mean over B of v (p - y)^2. Errors: as `bceLoss`. */
export function mseLoss(args: MseLossArguments, options?: KernelOptions): { loss: number } & KernelTiming {
  const { result, timing } = call(lossCall('mse_loss', 'p', args.p, args), options)
  return { loss: result.outputs[0]![0]!, ...timing }
}

/** Gradient of {@link mseLoss}: dp `[B]` = 2 dloss/B v (p - y). `dloss` is 1 unless given. */
export function mseLossBackward(
  args: MseLossArguments & { dloss?: number },
  options?: KernelOptions,
): { dp: Float32Array } & KernelTiming {
  const dout = [Float32Array.of(args.dloss ?? 1)]
  const forward = lossCall('mse_loss', 'p', args.p, args)
  const { result, timing } = call({ ...forward, dout, backward: true }, options)
  return { dp: result.din![0]!, ...timing }
}

/** What {@link sigmoid} takes. */
export interface SigmoidArguments {
  /** `[n]`, of any shape. */
  x: Float32Array
  /** Clamps the result to [t, 1 - t] when 0 < t < 1; default 0. */
  threshold?: number
}

/** out `[n]` = 1 / (1 + exp(-x)). Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`. */
export function sigmoid(args: SigmoidArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(sigmoidCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradient of {@link sigmoid}: dx `[n]` = p (1 - p) `dout`, 0 where the threshold clamps. */
export function sigmoidBackward(
  args: SigmoidArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array } & KernelTiming {
  const forward = sigmoidCall(args)
  const dout = new Arguments('sigmoid').floats('dout', args.dout, 'n', args.x.length)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  return { dx: result.din![0]!, ...timing }
}

function bceCall(args: BceLossArguments) {
  const { threshold = 0, classWeights = [1, 1] } = args
  const attrs = { threshold, class_weights: [...classWeights] }
  return { ...lossCall('bce_loss', 'logits', args.logits, args), attrs }
}

function lossCall(
  op: string,
  name: string,
  values: Float32Array,
  { labels, weights }: { labels: Float32Array; weights?: Float32Array },
) {
  const check = new Arguments(op)
  const batch = check.anyFloats(name, values).length
  check.floats('labels', labels, 'B', batch)
  if (weights !== undefined) check.floats('weights', weights, 'B', batch)
  const inputs = [values, labels, ...(weights ? [weights] : [])].map(data => ({ data, cols: 1 }))
  return { op, batch, inputs }
}

function sigmoidCall({ x, threshold = 0 }: SigmoidArguments) {
  const batch = new Arguments('sigmoid').anyFloats('x', x).length
  return { op: 'sigmoid', attrs: { threshold }, batch, inputs: [{ data: x, cols: 1 }] }
}
