import { atLeastZero, Optimizer, type OptimizerOptions } from './optimizer.js'

export interface AdagradOptions extends OptimizerOptions {
  /** Added to the root, default 1e-10. */
  eps?: number
  /** What the sums of squares start at, default 0. */
  initialAccumulator?: number
  /** The rate at step t (from 1) is lr / (1 + (t - 1) lrDecay); default 0. */
  lrDecay?: number
  /** L2 penalty added to the gradient, default 0. Of a lazy table it applies to the rows that the batch touches, once a step. */
  weightDecay?: number
}

/** Adagrad (Duchi et al. 2011), as torch.optim.Adagrad: h += g^2; w -= lr g / (sqrt(h) + eps), per element. Default lr .01. */
export class Adagrad extends Optimizer {
  readonly rule = 'adagrad'
  readonly eps: number
  readonly initialAccumulator: number
  readonly lrDecay: number
  readonly weightDecay: number

  constructor(options: AdagradOptions = {}) {
    super(options, 1e-2)
    this.eps = atLeastZero('eps', options.eps ?? 1e-10)
    this.initialAccumulator = atLeastZero('initialAccumulator', options.initialAccumulator ?? 0)
    this.lrDecay = atLeastZero('lrDecay', options.lrDecay ?? 0)
    this.weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0)
  }
}
