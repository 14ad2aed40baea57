import type { Activation, Precision } from '../graph/ops.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** One fully connected layer. */
export interface MlpLayer {
  /** W `[N, K]`, row-major. */
  weight: Float32Array
  /** b `[N]`; of every layer or of none. */
  bias?: Float32Array
}

/** What {@link mlp} takes. */
export interface MlpArguments {
  /** B */
  batch: number
  /** `[B, K]`, K the columns of the first layer's weight. */
  x: Float32Array
  /** One or more; the columns of each weight are the rows of the one before. */
  layers: readonly MlpLayer[]
  /** Of the layers but the last; default relu. */
  activation?: Activation
  /** Of the last layer; default relu. */
  last?: Activation
  /** Of the factors of all products; default fp32. */
  precision?: Precision
}

/**
 * Fully connected layers in one op: y = act(x W^T + b), layer after layer.
 *
 * - out `[B, N]`, N the rows of the last weight
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function mlp(args: MlpArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(mlpCall(args), options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of {@link mlp}: runs it forward once, then times the backward pass.
 *
 * - `dout [B, N]`; dx `[B, K]`; layers: dweight `[N, K]` and dbias `[N]` of each
 *
 * Errors: as `mlp`.
 */
export function mlpBackward(
  args: MlpArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; layers: { dweight: Float32Array; dbias?: Float32Array }[] } & KernelTiming {
  const forward = mlpCall(args)
  const check = new Arguments('mlp')
  const { layers: widths, bias } = forward.attrs
  const dout = check.floats('dout', args.dout, 'B x N', args.batch, widths.at(-1)!)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const gradients = result.dparams as Float32Array[]
  const layers = widths.map((_, l) =>
    bias ? { dweight: gradients[2 * l]!, dbias: gradients[2 * l + 1]! } : { dweight: gradients[l]! },
  )
  return { dx: result.din![0]!, layers, ...timing }
}

function mlpCall({ batch, x, layers, activation = 'relu', last = 'relu', precision = 'fp32' }: MlpArguments) {
  const check = new Arguments('mlp')
  check.size('batch', batch)
  const inputs = check.quotient('x', x, 'B', batch)
  const widths: number[] = []
  const bias = check.list('layers', layers)[0]!.bias !== undefined
  const params = layers.flatMap((layer, l) => {
    const columns = widths.at(-1) ?? inputs
    if ((layer.bias !== undefined) !== bias)
      check.fail('ERR_ARGUMENT', `layers[${l}].bias: expected one in every layer or in none`)
    if (!bias) {
      widths.push(check.quotient(`layers[${l}].weight`, layer.weight, 'K', columns))
      return [layer.weight]
    }
    const rows = check.anyFloats(`layers[${l}].bias`, layer.bias).length
    check.floats(`layers[${l}].weight`, layer.weight, 'N x K', rows, columns)
    widths.push(rows)
    return [layer.weight, layer.bias!]
  })
  const attrs = { layers: widths, activation, last, bias, precision }
  return { op: 'mlp', attrs, batch, inputs: [{ data: x, cols: inputs }], params }
}
