import { atLeastZero, belowOne, Optimizer, type OptimizerOptions } from './optimizer.js'

export interface SGDOptions extends OptimizerOptions {
  /** In [0, 1), default 0. Not of tables that are lazy. */
  momentum?: number
  /** L2 penalty added to the gradient, default 0. Of a lazy table it applies to the rows that the batch touches, once a step. */
  weightDecay?: number
}

/** Stochastic gradient descent, as torch.optim.SGD: g += weightDecay w; v = momentum v + g; w -= lr v. Default lr .001. */
export class SGD extends Optimizer {
  readonly rule = 'sgd'
  readonly momentum: number
  readonly weightDecay: number

  constructor(options: SGDOptions = {}) {
    super(options, 1e-3)
    this.momentum = belowOne('momentum', options.momentum ?? 0)
    this.weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0)
  }
}
