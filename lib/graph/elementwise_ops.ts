/** Ops that work element by element. */
import type { GraphBuilder, Value } from './builder.js'

/** The sum of values of one shape: `[B, n], [B, n], ...` -> `[B, n]` */
export function add(g: GraphBuilder, name: string, inputs: readonly Value[]): Value {
  return g.add('add', name, inputs)
}

/** The product, element by element: `[B, n], [B, n]` -> `[B, n]` */
export function mul(g: GraphBuilder, name: string, x: Value, y: Value): Value {
  return g.add('mul', name, [x, y])
}

/** e^x, x limited to [-87, 88]: `[B, n]` -> `[B, n]` */
export function exp(g: GraphBuilder, name: string, x: Value): Value {
  return g.add('exp', name, [x])
}

/** The square root, of 0 where x < 0: `[B, n]` -> `[B, n]` */
export function sqrt(g: GraphBuilder, name: string, x: Value): Value {
  return g.add('sqrt', name, [x])
}

/** Columns `start` to `start + length`: `[B, n]` -> `[B, length]`. Nothing is copied: it is a view of `x`. */
export function slice(g: GraphBuilder, name: string, x: Value, options: { start: number; length: number }): Value {
  return g.add('slice', name, [x], { start: options.start, length: options.length })
}
