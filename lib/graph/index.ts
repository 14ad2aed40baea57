/**
 * What a graph is made of, one typed function each: ops with their shapes and parameters, and the usual pieces of a model built
 * from them. See {@link GraphBuilder} and {@link defineModel}.
 *
 * @packageDocumentation
 */
export * from './fields.js'
export * from './heads.js'
export * from './ops.js'
export * from './tower.js'
