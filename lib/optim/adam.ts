import { atLeastZero, belowOne, flag, Optimizer, type OptimizerOptions } from './optimizer.js'

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the mean, in [0, 1), default .9. */
  beta1?: number
  /** Decay of the mean square, in [0, 1), default .999. */
  beta2?: number
  /** Added to the root, default 1e-8. */
  eps?: number
  /** Default 0. Of a lazy table it applies to the rows that the batch touches, once a step. */
  weightDecay?: number
  /** True (AdamW): w -= lr weightDecay w apart from the gradient; false (default): weightDecay w is added to the gradient. */
  decoupled?: boolean
}

/**
 * Adam (Kingma & Ba 2015) with bias correction, as torch.optim.Adam, or torch.optim.AdamW when `decoupled` (Loshchilov & Hutter 2019).
 * Lazy embedding tables as torch.optim.SparseAdam: rows that no example touches keep value and moments. Default lr .001.
 */
export class Adam extends Optimizer {
  readonly rule = 'adam'
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
  readonly weightDecay: number
  readonly decoupled: boolean

  constructor(options: AdamOptions = {}) {
    super(options, 1e-3)
    this.beta1 = belowOne('beta1', options.beta1 ?? 0.9)
    this.beta2 = belowOne('beta2', options.beta2 ?? 0.999)
    this.eps = atLeastZero('eps', options.eps ?? 1e-8)
    this.weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0)
    this.decoupled = flag('decoupled', options.decoupled ?? false)
  }
}
