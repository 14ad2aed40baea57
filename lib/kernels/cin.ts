import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** One layer of {@link cin}. */
export interface CinLayer {
  /** W `[H_k, I_k*m]`, column i*m + j for map i of the layer before and field j. */
  weight: Float32Array
  /** b `[H_k]`; of all layers or of none. */
  bias?: Float32Array
}

/** What {@link cin} takes. */
export interface CinArguments {
  /** B */
  batch: number
  /** E */
  width: number
  /** The m vectors of each example side by side, `[B, m*E]`. */
  x: Float32Array
  /** One or more. */
  layers: readonly CinLayer[]
  /** H_k: how many maps each layer makes. */
  maps: readonly number[]
  /** Half of the maps of each layer but the last go on to the next, the other half are put out; default false. */
  splitHalf?: boolean
  /** Of every map; default none. */
  activation?: 'none' | 'relu'
}

/**
 * The compressed interaction network of xDeepFM (Lian et al. 2018, arXiv 1803.05170, equations 6 and 7):
 * X^k_h = f(b_h + sum over i and j of W_{h, i*m+j} X^{k-1}_i o X^0_j), then the sums over the E numbers of every map.
 *
 * - out `[B, S]`, S = the sum of H_k; with `splitHalf` only half of each but the last
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function cin(args: CinArguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(cinCall(args).forward, options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of {@link cin}: runs it forward once, then times the backward pass.
 *
 * - `dout [B, S]`; dx `[B, m*E]`; layers: dweight `[H_k, I_k*m]` and, if it has one, dbias `[H_k]` of each
 *
 * Errors: as `cin`.
 */
export function cinBackward(
  args: CinArguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; layers: { dweight: Float32Array; dbias?: Float32Array }[] } & KernelTiming {
  const { forward, columns } = cinCall(args)
  const dout = new Arguments('cin').floats('dout', args.dout, 'B x S', args.batch, columns)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const gradients = result.dparams!
  const layers = args.layers.map((_, k) =>
    forward.attrs.bias ? { dweight: gradients[2 * k]!, dbias: gradients[2 * k + 1]! } : { dweight: gradients[k]! },
  )
  return { dx: result.din![0]!, layers, ...timing }
}

function cinCall({ batch, width, x, layers, maps, splitHalf = false, activation = 'none' }: CinArguments) {
  const check = new Arguments('cin')
  check.size('batch', batch)
  check.size('width', width)
  const fields = check.quotient('x', x, 'B x E', batch * width)
  const bias = check.list('layers', layers)[0]!.bias !== undefined
  if (check.list('maps', maps).length !== layers.length)
    check.fail(
      'ERR_SHAPE',
      `maps: expected one number for each of the ${layers.length} layers, received ${maps.length}`,
    )
  let inputs = fields
  let columns = 0
  const params = layers.flatMap((layer, k) => {
    const outputs = check.size(`maps[${k}]`, maps[k])
    const half = splitHalf && k + 1 < layers.length ? outputs / 2 : 0
    const weight = check.floats(`layers[${k}].weight`, layer.weight, 'H x I*m', outputs, inputs * fields)
    inputs = half || outputs
    columns += half || outputs
    return bias ? [weight, check.floats(`layers[${k}].bias`, layer.bias, 'H', outputs)] : [weight]
  })
  const attrs = { layers: [...maps], width, split_half: splitHalf, activation, bias }
  return { forward: { op: 'cin', attrs, batch, inputs: [{ data: x, cols: fields * width }], params }, columns }
}
