import { atLeastZero, Optimizer, type OptimizerOptions } from './optimizer.js'

export interface FTRLOptions extends OptimizerOptions {
  /** Smooths the first steps: the rate of a weight is lr / (beta + sqrt(sum of its squared gradients)); default 1. */
  beta?: number
  /** L1 penalty, default 0: weights it outweighs are exactly 0. */
  l1?: number
  /** L2 penalty, default 0. */
  l2?: number
}

/**
 * FTRL-Proximal (McMahan et al. 2013, algorithm 1), for sparse linear models; lr is the paper's alpha, default .1.
 *
 * ```
 * n' = n + g^2;  z' = z + g - (sqrt(n') - sqrt(n)) / lr w
 * w' = 0 if |z'| <= l1, else -(z' - sign(z') l1) / ((beta + sqrt(n')) / lr + l2)
 * ```
 *
 * A weight keeps the value it starts with until its first gradient other than 0: it starts at the z that gives that value, so 0 starts
 * at z = 0 as in the paper. The state `z` is stored where the weight is 0, and is 0 elsewhere, where the weight tells it.
 */
export class FTRL extends Optimizer {
  readonly rule = 'ftrl'
  readonly beta: number
  readonly l1: number
  readonly l2: number

  constructor(options: FTRLOptions = {}) {
    super(options, 0.1)
    this.beta = atLeastZero('beta', options.beta ?? 1)
    this.l1 = atLeastZero('l1', options.l1 ?? 0)
    this.l2 = atLeastZero('l2', options.l2 ?? 0)
  }
}
