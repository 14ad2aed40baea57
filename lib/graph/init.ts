import type { Attrs } from '../native.js'

/** Where a node's parameters start: uniform in `[-scale, scale)`, normal of deviation `scale`, or all of them `scale`. */
export interface Init {
  kind: 'uniform' | 'normal' | 'constant'
  scale: number
}

/** As the native ops read it; nothing, that is the op's own default, without one. @internal */
export function initAttrs(init: Init | undefined, name = 'init'): Attrs {
  return init ? { [name]: init.kind, [`${name}_scale`]: init.scale } : {}
}
