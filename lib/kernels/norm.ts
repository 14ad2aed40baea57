import type { Activation } from '../graph/ops.js'
import type { Attrs } from '../native.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'
import type { Draw } from './dropout.js'

/** What {@link batchNorm} and {@link layerNorm} take. */
export interface NormArguments extends Draw {
  /** B */
  batch: number
  /** `[B, N]` */
  x: Float32Array
  /** `[N]` */
  weight: Float32Array
  /** `[N]` */
  bias: Float32Array
  /** Default 1e-5. */
  eps?: number
  /** Fused behind it; default none. */
  activation?: Activation
  /** Share of elements dropped behind the activation, when training; default 0. */
  dropout?: number
}

/** What {@link batchNorm} takes. */
export interface BatchNormArguments extends NormArguments {
  /** `[N]`; changed in place when training. */
  runningMean: Float32Array
  /** `[N]`; changed in place when training. */
  runningVar: Float32Array
  /** Default 0.1. */
  momentum?: number
  /** Take the statistics of the batch and move the running ones, drop; default true. */
  training?: boolean
}

/** What {@link layerNorm} takes; `weight` and `bias` only unless `varianceOnly`. */
export interface LayerNormArguments extends Omit<NormArguments, 'weight' | 'bias'> {
  weight?: Float32Array
  bias?: Float32Array
  /** Equal groups of columns, normalised each; default 1. */
  groups?: number
  /** Divide by the deviation alone; default false. */
  varianceOnly?: boolean
  /** Drop; default true. */
  training?: boolean
}

/** What the backward passes of the norms give. */
export type NormGradients = { dx: Float32Array; dweight?: Float32Array; dbias?: Float32Array } & KernelTiming

/**
 * Batch normalisation over the examples: f((x - mean) / sqrt(var + eps) weight + bias), as torch.nn.BatchNorm1d.
 *
 * - out `[B, N]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function batchNorm(args: BatchNormArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(batchCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradients of {@link batchNorm}, which runs forward once: dx `[B, N]`, dweight and dbias `[N]`. Errors: as `batchNorm`. */
export function batchNormBackward(
  args: BatchNormArguments & { dout: Float32Array },
  options?: KernelOptions,
): NormGradients & { dweight: Float32Array; dbias: Float32Array } {
  const { dweight, dbias, ...rest } = backward(batchCall(args), args.dout, options)
  return { dweight: dweight!, dbias: dbias!, ...rest }
}

/**
 * Layer normalisation over each example's columns, or over equal groups of them: as `batchNorm`, with the mean and variance
 * of the group, as torch.nn.LayerNorm; with `varianceOnly` f(x / sqrt(var + eps)).
 *
 * - out `[B, N]`
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function layerNorm(args: LayerNormArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(layerCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/** Gradients of {@link layerNorm}: dx `[B, N]` and, unless `varianceOnly`, dweight and dbias `[N]`. Errors: as `layerNorm`. */
export function layerNormBackward(
  args: LayerNormArguments & { dout: Float32Array },
  options?: KernelOptions,
): NormGradients {
  return backward(layerCall(args), args.dout, options)
}

function backward(
  forward: ReturnType<typeof normCall>,
  gradient: Float32Array,
  options?: KernelOptions,
): NormGradients {
  const { op, batch, inputs } = forward
  const dout = new Arguments(op).floats('dout', gradient, 'B x N', batch, inputs[0]!.cols)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const [dweight, dbias] = result.dparams as Float32Array[]
  return { dx: result.din![0]!, dweight, dbias, ...timing }
}

function batchCall(args: BatchNormArguments) {
  const { weight, bias, runningMean, runningVar, momentum = 0.1 } = args
  return normCall('batch_norm', args, { weight, bias, runningMean, runningVar }, { momentum })
}

function layerCall(args: LayerNormArguments) {
  const { weight, bias, groups = 1, varianceOnly = false } = args
  const params: Record<string, Float32Array> = varianceOnly ? {} : { weight: weight!, bias: bias! }
  return normCall('layer_norm', args, params, { groups, variance_only: varianceOnly })
}

function normCall(
  op: string,
  args: Omit<NormArguments, 'weight' | 'bias'> & { training?: boolean },
  named: Record<string, Float32Array>,
  more: Attrs,
) {
  const { batch, x, eps = 1e-5, activation = 'none', dropout = 0, key = 0, step = 1, training = true } = args
  const check = new Arguments(op)
  check.size('batch', batch)
  const cols = check.quotient('x', x, 'B', batch)
  const params = Object.entries(named).map(([name, data]) => check.floats(name, data, 'N', cols))
  const attrs: Attrs = { eps, activation, dropout, ...more }
  return { op, attrs, batch, inputs: [{ data: x, cols }], params, training, key, step }
}
