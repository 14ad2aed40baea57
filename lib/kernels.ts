/**
 * Every op of the registry alone, on typed arrays: to study, test and time kernels.
 *
 * Matrices are `Float32Array`s, row-major. Each function takes its arguments, named as in the header of
 * `native/ops/<op>/`, and {@link KernelOptions}; it runs on the caller's thread (and a pool, with `threads`), returns new
 * arrays beside a {@link KernelTiming}, and throws a `DlrmError` for arguments that do not fit.
 *
 * ```ts
 * const { out } = kernels.interactionDot({ batch: 1, width: 2, x: Float32Array.of(1, 2), e: Float32Array.of(3, 4, 5, 6) })
 * // [1, 2, <z1,z0> = 11, <z2,z0> = 17, <z2,z1> = 39]
 * ```
 *
 * @packageDocumentation
 */
import { type Isa, native } from './native.js'

export { type ActivationArguments, activation, activationBackward } from './kernels/activation.js'
export type { KernelOptions, KernelTiming } from './kernels/call.js'
export { type CinArguments, type CinLayer, cin, cinBackward } from './kernels/cin.js'
export { concat, concatBackward } from './kernels/concat.js'
export { type CrossArguments, type CrossLayer, cross, crossBackward } from './kernels/cross.js'
export { type CrossV2Arguments, type CrossV2Layer, crossV2, crossV2Backward } from './kernels/cross_v2.js'
export { type Draw, type DropoutArguments, dropout, dropoutBackward } from './kernels/dropout.js'
export {
  add,
  addBackward,
  exp,
  expBackward,
  mul,
  mulBackward,
  type SliceArguments,
  slice,
  sliceBackward,
  sqrt,
  sqrtBackward,
} from './kernels/elementwise.js'
export {
  type EmbeddingBagArguments,
  type EmbeddingBagTable,
  embeddingBag,
  embeddingBagBackward,
  type Pooling,
  type TableRowsArguments,
  type TableWeights,
  tableFloats,
  tableRows,
} from './kernels/embedding_bag.js'
export { type InteractionDotArguments, interactionDot, interactionDotBackward } from './kernels/interaction_dot.js'
export { type LinearBagArguments, linearBag, linearBagBackward } from './kernels/linear_bag.js'
export {
  type BceLossArguments,
  bceLoss,
  bceLossBackward,
  type MseLossArguments,
  mseLoss,
  mseLossBackward,
  type SigmoidArguments,
  sigmoid,
  sigmoidBackward,
} from './kernels/loss.js'
export { type MlpArguments, type MlpLayer, mlp, mlpBackward } from './kernels/mlp.js'
export {
  type BatchNormArguments,
  batchNorm,
  batchNormBackward,
  type LayerNormArguments,
  layerNorm,
  layerNormBackward,
  type NormArguments,
  type NormGradients,
} from './kernels/norm.js'
export {
  type FieldsArguments,
  type FieldWeightedPairArguments,
  ffmPair,
  ffmPairBackward,
  fieldWeightedPair,
  fieldWeightedPairBackward,
  fmPair,
  fmPairBackward,
  type NumericEmbeddingArguments,
  numericEmbedding,
  numericEmbeddingBackward,
} from './kernels/pairs.js'
export {
  type QrEmbeddingBagArguments,
  type QrTable,
  qrEmbeddingBag,
  qrEmbeddingBagBackward,
} from './kernels/qr_embedding_bag.js'
export {
  type DenseUpdateTensor,
  denseUpdate,
  type EmbeddingUpdateArguments,
  type EmbeddingUpdateTable,
  embeddingUpdate,
  type UpdateRule,
} from './kernels/update.js'

/** Names of the ops in the native registry, such as `embedding_bag`. */
export const names = (): string[] => native.ops()

/** Instruction sets of this machine, worst first; the last is the default. */
export const isas = (): Isa[] => native.isas()
