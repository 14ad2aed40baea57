import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'

/** One layer of {@link crossV2}: `weight`; or `u` and `v`; or `u`, `v`, `c` and `gate`. */
export interface CrossV2Layer {
  /** W `[N, N]` of a full layer. */
  weight?: Float32Array
  /** U `[N, r]`; of a mixture `[N, K*r]`, expert e in columns e*r to (e+1)*r. */
  u?: Float32Array
  /** V, like `u`. */
  v?: Float32Array
  /** `[K*r, r]`, C_e in rows e*r to (e+1)*r. */
  c?: Float32Array
  /** G `[K, N]` */
  gate?: Float32Array
  /** b `[N]` */
  bias: Float32Array
}

/** What {@link crossV2} takes. */
export interface CrossV2Arguments {
  /** B */
  batch: number
  /** x_0 `[B, N]` */
  x: Float32Array
  /** One or more, at most 64, all of the same kind. */
  layers: readonly CrossV2Layer[]
  /** r; default 0: full layers. */
  rank?: number
  /** K; default 0: no mixture. */
  experts?: number
}

/**
 * The cross layers of DCN-V2 (Wang et al. 2021, arXiv 2008.13535): x_{l+1} = x_0 o z_l + x_l, where z = W x + b, or with a
 * `rank` z = U V^t x + b, or with `experts` too z = sum_e g_e U_e tanh(C_e tanh(V_e^t x)) + b, g = softmax(G x).
 *
 * - out `[B, N]` = x_L
 *
 * Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`.
 */
export function crossV2(args: CrossV2Arguments, options?: KernelOptions): { out: Float32Array } & KernelTiming {
  const { result, timing } = call(crossV2Call(args).forward, options)
  return { out: result.outputs[0]!, ...timing }
}

/**
 * Gradients of {@link crossV2}: runs it forward once, then times the backward pass.
 *
 * - `dout [B, N]`; dx `[B, N]`; layers: the gradients of what each layer has, under the same names
 *
 * Errors: as `crossV2`.
 */
export function crossV2Backward(
  args: CrossV2Arguments & { dout: Float32Array },
  options?: KernelOptions,
): { dx: Float32Array; layers: CrossV2Layer[] } & KernelTiming {
  const { forward, names } = crossV2Call(args)
  const dout = new Arguments('cross_v2').floats('dout', args.dout, 'B x N', args.batch, forward.inputs[0]!.cols)
  const { result, timing } = call({ ...forward, dout: [dout], backward: true }, options)
  const gradients = result.dparams!
  const layers = args.layers.map(
    (_, l) =>
      Object.fromEntries(names.map((name, i) => [name, gradients[l * names.length + i]])) as unknown as CrossV2Layer,
  )
  return { dx: result.din![0]!, layers, ...timing }
}

function crossV2Call({ batch, x, layers, rank = 0, experts = 0 }: CrossV2Arguments) {
  const check = new Arguments('cross_v2')
  check.size('batch', batch)
  const n = check.quotient('x', x, 'B', batch)
  const r = Math.max(1, experts) * rank
  const sizes: [keyof CrossV2Layer, string, number[]][] = rank
    ? [
        ['u', experts ? 'N x K*r' : 'N x r', [n, r]],
        ['v', experts ? 'N x K*r' : 'N x r', [n, r]],
      ]
    : [['weight', 'N x N', [n, n]]]
  if (experts) sizes.push(['c', 'K*r x r', [r, rank]], ['gate', 'K x N', [experts, n]])
  sizes.push(['bias', 'N', [n]])
  const params = check
    .list('layers', layers)
    .flatMap((layer, l) =>
      sizes.map(([name, letters, size]) => check.floats(`layers[${l}].${name}`, layer[name], letters, ...size)),
    )
  const attrs = { layers: layers.length, rank, experts }
  const forward = { op: 'cross_v2', attrs, batch, inputs: [{ data: x, cols: n }], params }
  return { forward, names: sizes.map(([name]) => name) }
}
