/** Ops that work element by element. */
import type { GraphBuilder, Value } from './builder.js'

/** The sum of values of one shape: `[B, n], [B, n], ...` -> `[B, n]` */
export function add(g: GraphBuilder, name: string, inputs: readonly Value[]): Value {
  return g.add('add', name, inputs)
}
