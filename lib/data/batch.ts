/**
 * The indices of one table for every example of a batch, as bags (PyTorch's EmbeddingBag layout).
 *
 * ```
 * offsets [0, 2, 2, 3]      bag of example 0 = indices[0..2), of example 1 = empty, of example 2 = indices[2..3)
 * indices [7, 1, 4]
 * weights [.5, 1, 2]        optional, one per index
 * ```
 */
export interface Bags {
  /** `[B+1]`, never decreasing, first 0, last `L`; or `[B]` without the closing `L`, as PyTorch's default. */
  offsets: Int32Array | BigInt64Array
  /** `[L]`, each in `[0, R)`. */
  indices: Int32Array | BigInt64Array
  /** `[L]`, multiplies each row before it is summed. */
  weights?: Float32Array
}

/** `size` (B) examples. Buffers may be longer-lived than a call: every call copies what it needs before it returns. */
export interface Batch {
  size: number
  /** `[B, D]`, row-major; absent or empty when the model has no dense features. */
  dense?: Float32Array
  /** One entry per table, in the model's order. */
  tables: Bags[]
  /** `[B]`; needed by `step` and `evaluate`. */
  labels?: Float32Array
  /** `[B]`, what each example counts in the loss, finite and >= 0; default 1. The loss is still a mean over B. */
  weights?: Float32Array
}
