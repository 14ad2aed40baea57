import type { GraphBuilder, Value } from './builder.js'

/**
 * Dropout: in a training step each element is 0 with probability `rate`, else times 1 / (1 - rate); a prediction leaves the
 * node out. What a step drops depends on the model's seed, the node's name and the number of the step alone.
 *
 * - in `x [B, N]`; out `[B, N]`
 */
export function dropout(g: GraphBuilder, name: string, x: Value, options: { rate: number }): Value {
  return g.add('dropout', name, [x], { rate: options.rate })
}
