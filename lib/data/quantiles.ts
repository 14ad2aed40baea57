import { DlrmError } from '../errors.js'
import { wholeNumber } from './options.js'
import type { DataSource } from './source.js'

/** Examples per batch of the pass: bounds its memory, changes nothing else. */
const BATCH = 4096

/**
 * Boundaries that cut each dense feature of a source into at most `n` buckets of about as many examples each, for
 * `g.bucketize`: D lists of at most n - 1 ascending numbers. Boundary i is the value at rank ceil(i N / n) (counted from 0, at
 * most N - 1) of the N values in ascending order; equal ones are kept once, and none at the least value, under which nothing
 * would lie. So a feature with few different values gets a bucket for each frequent one.
 *
 * Reads the first `rows` examples (default 100,000) of the source, unshuffled: the same data give the same boundaries. Use the
 * training split.
 * Errors: `ERR_ARGUMENT` unless n >= 2 and rows >= 1 are integers; `ERR_DATA` without examples; those of the source.
 */
export async function quantiles(source: DataSource, n: number, options: { rows?: number } = {}): Promise<number[][]> {
  wholeNumber('quantiles: n', n, 2)
  const sorted = await sortedFeatures(source, options.rows)
  return sorted.map(values => boundaries(values, n))
}

/** The values of each dense feature of the source's first `rows` examples, ascending: see {@link quantiles}. */
export async function sortedFeatures(source: DataSource, rows = 100_000): Promise<Float32Array[]> {
  const limit = wholeNumber('quantiles: rows', rows, 1)
  const columns: Float32Array[] = []
  let count = 0
  for await (const { batch } of source.batches({ batchSize: Math.min(BATCH, limit) })) {
    const { size, dense = new Float32Array(0) } = batch
    const width = size > 0 ? dense.length / size : 0
    while (columns.length < width) columns.push(new Float32Array(limit))
    const taken = Math.min(size, limit - count)
    columns.forEach((column, d) => {
      for (let b = 0; b < taken; b++) column[count + b] = dense[b * width + d]!
    })
    count += taken
    if (count === limit) break
  }
  if (count === 0) throw new DlrmError('ERR_DATA', `quantiles: ${source.name} has no examples`)
  return columns.map(column => column.subarray(0, count).sort())
}

/** The boundaries of at most `n` buckets of about as many of these values each. */
export function boundaries(sorted: Float32Array, n: number): number[] {
  const found: number[] = []
  for (let i = 1; i < n; i++) {
    const value = sorted[Math.min(sorted.length - 1, Math.ceil((i * sorted.length) / n))]!
    if (value > (found.at(-1) ?? sorted[0]!)) found.push(value)
  }
  return found
}

/** Quantiles of a `quantile` transform, when the data have as many values. */
const STEPS = 256

/**
 * The boundaries of a `quantile` transform, n + 1 numbers of the N values with n = min(256, N - 1), at least 1: boundary i is the value
 * at rank round(i (N - 1) / n), so the first is the least value and the last the greatest. Equal ones stay.
 */
export function steps(sorted: Float32Array): number[] {
  const last = sorted.length - 1
  const n = Math.max(1, Math.min(STEPS, last))
  return Array.from({ length: n + 1 }, (_, i) => sorted[Math.round((i * last) / n)]!)
}

const BELOW_ONE = 1 - 2 ** -24

/** F of these boundaries: see `DenseTransform`. It sees float32, what the boundaries are made of, so that equal values are equal. */
export function cumulative(boundaries: readonly number[]): (value: number) => number {
  const b = Float32Array.from(boundaries)
  const n = b.length - 1
  return value => {
    const x = Math.fround(value)
    if (x < b[0]!) return 0
    if (x >= b[n]!) return BELOW_ONE
    let low = 0
    let high = n
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (b[middle]! <= x) low = middle
      else high = middle
    }
    return Math.min(BELOW_ONE, (low + (x - b[low]!) / (b[high]! - b[low]!)) / n)
  }
}
