import { DlrmError } from '../errors.js'
import type { Bags, Batch } from './batch.js'
import { RandomState } from './numpy_random.js'
import { numberIn, oneOf, tableSizes, wholeNumber } from './options.js'
import { Schema } from './schema.js'
import type { BatchOptions, DataSet, DataSource, Located } from './source.js'

/** Options of random data; names and defaults as the reference's flags. */
export interface LookupOptions {
  /** R of each table. */
  tables: readonly number[]
  /** Dense features, each uniform in [0, 1). */
  dense: number
  /** Indices per lookup: the most, or exactly (before duplicates are dropped) with `numIndicesPerLookupFixed`. Default 10. */
  numIndicesPerLookup?: number
  numIndicesPerLookupFixed?: boolean
  /** Examples of an epoch (default 1), unless `numBatches` is given. */
  dataSize?: number
  /** Batches of an epoch, all full. 0 (default): as many as `dataSize` needs. */
  numBatches?: number
  /** An integer in [0, 2^32), the reference's `numpy-rand-seed`; default 123. */
  seed?: number
  /** Labels 0 or 1 instead of uniform in [0, 1). */
  roundTargets?: boolean
}

export interface RandomOptions extends LookupOptions {
  /** Of the indices (default uniform). */
  distribution?: 'uniform' | 'gaussian'
  /** For gaussian: indices are clipped to [min, max] and to the table (the reference has one range, 0 to 1 by default). */
  min?: number
  max?: number
  /** Default: the middle of the range. */
  mu?: number
  sigma?: number
}

/** Draws the indices of one lookup in a table of `rows` rows. */
export type DrawLookup = (random: RandomState, table: number, rows: number, count: number) => ArrayLike<number>

/**
 * The reference's random data: the same draws of NumPy's generator in the same order, so that the same seed gives the same
 * batches. Each epoch begins at the seed again, hence repeats the same data; `shuffle`, `epoch` and the reader's `seed` change nothing.
 * (The reference shares one generator between training and testing: a test in the middle of an epoch changes the batches after it.
 * Here it does not.) The batch size decides what is drawn.
 */
export function randomData(options: RandomOptions): DataSet {
  const distribution = oneOf('distribution', options.distribution ?? 'uniform', ['uniform', 'gaussian'])
  const draw = distribution === 'uniform' ? uniformLookup : gaussianLookup(options)
  return lookupData('random', options, draw)
}

/** A data set whose `train` and `test` are the same batches, as in the reference. */
export function lookupData(name: string, options: LookupOptions, draw: DrawLookup): DataSet {
  const tables = tableSizes('tables', options.tables)
  const dense = wholeNumber('dense', options.dense, 0, 0x7fffffff)
  const schema = new Schema({
    label: 'label',
    dense: Array.from({ length: dense }, (_, d) => ({ name: `dense_${d}`, transform: 'identity' as const })),
    categorical: tables.map((size, t) => ({ name: `table_${t}`, encode: 'id' as const, size, separator: '|' })),
  })
  const train = new LookupSource(name, { ...options, tables, dense }, draw)
  return { schema, train, test: train, close: async () => {} }
}

/** Integers np.unique(np.round(r * (R - 1))): every row can come, the first and the last half as often as the others. */
function uniformLookup(random: RandomState, _table: number, rows: number, count: number): ArrayLike<number> {
  const indices = random.random(count)
  for (let i = 0; i < count; i++) indices[i] = roundHalfEven(indices[i]! * (rows - 1))
  return distinct(indices)
}

/** As the reference, duplicates are dropped before the numbers are cut to integers: an index may come twice. */
function gaussianLookup({ min = 0, max = Number.MAX_SAFE_INTEGER, mu, sigma = 1 }: RandomOptions): DrawLookup {
  numberIn('min', min, 0, Number.MAX_SAFE_INTEGER)
  numberIn('max', max, min, Number.MAX_SAFE_INTEGER)
  numberIn('sigma', sigma, 0, Number.MAX_VALUE)
  return (random, _table, rows, count) => {
    const low = Math.min(min, rows - 1)
    const high = Math.min(max, rows - 1)
    const values = random.normal(mu ?? (low + high) / 2, sigma, count)
    for (let i = 0; i < count; i++) values[i] = Math.min(Math.max(values[i]!, low), high)
    return distinct(values).map(Math.trunc)
  }
}

class LookupSource implements DataSource {
  readonly name: string
  readonly size?: number
  readonly #options: Required<Omit<LookupOptions, 'tables'>> & { tables: readonly number[] }
  readonly #draw: DrawLookup

  constructor(name: string, options: LookupOptions, draw: DrawLookup) {
    const { tables, dense, dataSize = 1, numBatches = 0, seed = 123 } = options
    const { numIndicesPerLookup = 10, numIndicesPerLookupFixed = false, roundTargets = false } = options
    wholeNumber('numIndicesPerLookup', numIndicesPerLookup, 1, 1 << 20)
    wholeNumber('numBatches', numBatches, 0)
    wholeNumber('dataSize', dataSize, 1)
    wholeNumber('seed', seed, 0, 0xffffffff)
    this.name = name
    this.#draw = draw
    this.#options = {
      tables,
      dense,
      dataSize,
      numBatches,
      seed,
      numIndicesPerLookup,
      numIndicesPerLookupFixed,
      roundTargets,
    }
    if (numBatches === 0) this.size = dataSize
  }

  async *batches({ batchSize, from }: BatchOptions): AsyncGenerator<Located> {
    wholeNumber('batchSize', batchSize, 1, 0x7fffffff)
    const { dataSize, numBatches, seed } = this.#options
    const examples = numBatches > 0 ? numBatches * batchSize : dataSize
    const random = new RandomState(seed)
    let done = 0
    if (from !== undefined) {
      if (from.seed !== seed || from.batchSize !== batchSize) {
        throw new DlrmError('ERR_ARGUMENT', `from: not a position of ${this.name} data of this seed and batch size`)
      }
      const gauss = from.gauss === 'none' ? null : (from.gauss as number)
      random.setState({ key: String(from.key), position: from.position as number, gauss })
      done = wholeNumber('from.done', from.done, 0)
    }
    while (done < examples) {
      const batch = this.#batch(random, Math.min(batchSize, examples - done))
      done += batch.size
      const { key, position, gauss } = random.getState()
      yield { batch, next: { seed, batchSize, done, key, position, gauss: gauss ?? 'none' } }
    }
  }

  #batch(random: RandomState, size: number): Batch {
    const { dense, tables, roundTargets } = this.#options
    const x = random.fillUniform(new Float32Array(size * dense), 0, 1)
    const bags = tables.map((rows, t) => this.#bags(random, t, rows, size))
    const labels = random.fillUniform(new Float32Array(size), 0, 1)
    return { size, dense: x, tables: bags, labels: roundTargets ? labels.map(roundHalfEven) : labels }
  }

  #bags(random: RandomState, table: number, rows: number, size: number): Bags {
    const { numIndicesPerLookup, numIndicesPerLookupFixed } = this.#options
    const offsets = new Int32Array(size + 1)
    const indices: number[] = []
    const most = Math.min(rows, numIndicesPerLookup)
    for (let b = 0; b < size; b++) {
      const count = numIndicesPerLookupFixed
        ? numIndicesPerLookup
        : roundHalfEven(Math.max(1, random.random(1)[0]! * most))
      const drawn = this.#draw(random, table, rows, count)
      for (let i = 0; i < drawn.length; i++) indices.push(drawn[i]!)
      offsets[b + 1] = indices.length
    }
    return { offsets, indices: Int32Array.from(indices) }
  }
}

/** np.unique: sorted, each value once. */
export function distinct(values: Float64Array): Float64Array {
  values.sort()
  let n = 0
  for (let i = 0; i < values.length; i++) if (i === 0 || values[i] !== values[i - 1]) values[n++] = values[i]!
  return values.subarray(0, n)
}

/** np.round of a number >= 0. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}
