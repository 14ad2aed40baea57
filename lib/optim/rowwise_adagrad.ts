import { atLeastZero, Optimizer, type OptimizerOptions } from './optimizer.js'

export interface RowWiseAdagradOptions extends OptimizerOptions {
  /** Added to the root, default 1e-10. */
  eps?: number
  /** What the sums of squares start at, default 0. */
  initialAccumulator?: number
  /** The rate at step t (from 1) is lr / (1 + (t - 1) lrDecay); default 0. */
  lrDecay?: number
  /** L2 penalty added to the gradient, default 0. Of a lazy table it applies to the rows that the batch touches, once a step. */
  weightDecay?: number
}

/**
 * Adagrad with one sum per row of an embedding table: h[r] += mean(g[r]^2); w[r] -= lr g[r] / (sqrt(h[r]) + eps).
 * Dense parameters get the usual Adagrad. As the reference's optim/rwsadagrad.py. Default lr .01.
 */
export class RowWiseAdagrad extends Optimizer {
  readonly rule = 'rowwise_adagrad'
  readonly eps: number
  readonly initialAccumulator: number
  readonly lrDecay: number
  readonly weightDecay: number

  constructor(options: RowWiseAdagradOptions = {}) {
    super(options, 1e-2)
    this.eps = atLeastZero('eps', options.eps ?? 1e-10)
    this.initialAccumulator = atLeastZero('initialAccumulator', options.initialAccumulator ?? 0)
    this.lrDecay = atLeastZero('lrDecay', options.lrDecay ?? 0)
    this.weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0)
  }
}
