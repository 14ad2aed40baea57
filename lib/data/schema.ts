import { DlrmError } from '../errors.js'
import type { GraphInputs, Pooling } from '../graph/builder.js'
import type { Batch } from './batch.js'
import { encodeRows } from './encode_rows.js'
import { show } from './options.js'
import { checkColumns, record } from './schema_check.js'

/**
 * `log1p` is log(x + 1) with negative x taken as 0. `quantile` is the cumulative distribution F of the training data, in [0, 1), linear
 * between n + 1 quantiles b (Covington et al. 2016, section 4.1): with b_i the last that is not above x,
 * F(x) = (i + (x - b_i) / (b_{i+1} - b_i)) / n; 0 below b_0, and the largest float32 below 1 from b_n on.
 *
 * A missing value is 0 before the transform, among the data of the quantiles too: 0 by `identity` and `log1p`, F(0) by `quantile`.
 */
export type DenseTransform = 'identity' | 'log1p' | 'quantile'

/** One numeric column. */
export interface DenseColumn {
  name: string
  transform: DenseTransform
  /**
   * With `quantile`, and only with it: its n + 1 quantiles b, at least two numbers, none below the one before. Equal ones are a value
   * that many examples have: F jumps there.
   */
  boundaries?: readonly number[]
  /**
   * A model has a vector for each bucket of this column instead of the number: n ascending boundaries of what `transform` makes of a
   * value cut it into n + 1, half open, as `g.bucketize` has it. A missing value is 0 and in the bucket of 0.
   */
  buckets?: readonly number[]
}

interface Categorical {
  name: string
  /** Rows of the column's embedding table. */
  size: number
  /** One ASCII character that separates several values in one cell; without it a cell is one value. */
  separator?: string
  /** How the vectors of several values become one in a model; default sum. Mean and max need a `separator`. */
  pooling?: Pooling
  /**
   * Name of a column with the same values, which shares with no other: both have its indices, and models one table for both.
   * `encode` and `size` must be the same.
   */
  sharing?: string
}

/** Exactly 8 hexadecimal digits: their 32-bit value modulo `size`; other text: its MurmurHash3 modulo `size`; missing: 0. */
export interface HashColumn extends Categorical {
  encode: 'hash'
}

/** `values[i]` has index i + 1; anything else (rare, unknown, missing) has index 0. `size` is `values.length + 1`. */
export interface VocabularyColumn extends Categorical {
  encode: 'vocabulary'
  /** May be empty in JSON for a column that shares: those of the other. */
  values: readonly string[]
  /** The values that the training file had at least so many times were kept. For information. */
  minCount?: number
}

/** Integers in [0, size), used as they are; a missing one is an error. */
export interface IdColumn extends Categorical {
  encode: 'id'
}

/** One categorical column: how its values become row numbers of its table. */
export type CategoricalColumn = HashColumn | VocabularyColumn | IdColumn

/** A schema as plain JSON: what a saved model holds. */
export interface SchemaJson {
  version: 1
  label: string
  /** The column with what each example counts in the loss, if there is one. */
  weight?: string
  dense: readonly DenseColumn[]
  categorical: readonly CategoricalColumn[]
}

/** What a model of a schema's columns is made with. */
export interface SchemaInputs extends GraphInputs {
  tables: number[]
  tableNames: string[]
}

/** What a raw row's columns mean: saved in the model, so that prediction starts from raw rows. Immutable. */
export class Schema {
  readonly label: string
  /** The column of `batch.weights`, what each example counts in the training loss. Metrics know no weights. */
  readonly weight: string | undefined
  /** In the order of the batch's dense features. */
  readonly dense: readonly DenseColumn[]
  /** In the order of the model's tables. */
  readonly categorical: readonly CategoricalColumn[]

  constructor(columns: {
    label: string
    weight?: string
    dense?: readonly DenseColumn[]
    categorical?: readonly CategoricalColumn[]
  }) {
    const { label, weight, dense = [], categorical = [] } = columns
    checkColumns('ERR_ARGUMENT', label, weight, dense, categorical)
    this.label = label
    this.weight = weight
    this.dense = dense
    this.categorical = categorical.map(column => ({ ...column, ...sharedValues(column, categorical) }))
  }

  /** Reads what `toJSON` wrote; throws `ERR_FORMAT` for anything else. */
  static fromJSON(json: unknown): Schema {
    const { version, label, weight, dense, categorical } = record('ERR_FORMAT', 'schema', json)
    if (version !== 1) throw new DlrmError('ERR_FORMAT', `schema: expected version 1, received ${show(version)}`)
    checkColumns('ERR_FORMAT', label, weight, dense, categorical)
    return new Schema({ label, weight, dense, categorical } as SchemaJson)
  }

  /** Plain JSON, for {@link Schema.fromJSON}. */
  toJSON(): SchemaJson {
    const { label, weight, dense } = this
    const categorical = this.categorical.map(column =>
      column.encode === 'vocabulary' && column.sharing !== undefined ? { ...column, values: [] } : column,
    )
    return { version: 1, label, ...(weight === undefined ? {} : { weight }), dense, categorical }
  }

  /** D, the dense features of a batch. */
  get denseCount(): number {
    return this.dense.length
  }

  /** R of each table, what DLRM's `tables` wants. */
  get tableSizes(): number[] {
    return this.categorical.map(column => column.size)
  }

  /**
   * All that a model must know of its columns, pooling, shared tables and buckets included:
   * `new DeepFM({ ...data.schema.inputs, hidden: [64] })`.
   */
  get inputs(): SchemaInputs {
    const columns = this.categorical.flatMap(({ name, pooling, sharing }) => {
      const options = { ...(pooling ? { pooling } : {}), ...(sharing === undefined ? {} : { sharing }) }
      return Object.keys(options).length > 0 ? [[name, options] as const] : []
    })
    const buckets = this.dense.flatMap(({ name, buckets: boundaries }, feature) =>
      boundaries ? [{ name, feature, boundaries }] : [],
    )
    return {
      dense: this.denseCount,
      tables: this.tableSizes,
      tableNames: this.categorical.map(column => column.name),
      ...(columns.length > 0 ? { columns: Object.fromEntries(columns) } : {}),
      ...(buckets.length > 0 ? { buckets } : {}),
    }
  }

  /**
   * Encodes raw rows exactly as a training file's rows are: `{ I1: 3, C1: '68fd1e64' }`.
   * A missing, null or empty value is a missing value; keys that are not columns are ignored. Labels are filled in when every
   * row has one, then weights of the examples too. Throws `ERR_DATA` naming row and column for a value of the wrong type.
   */
  encodeRows(rows: readonly Record<string, unknown>[]): Batch {
    return encodeRows(this, rows)
  }
}

function sharedValues(column: CategoricalColumn, all: readonly CategoricalColumn[]): { values?: readonly string[] } {
  const other = all.find(({ name }) => name === column.sharing)
  return other?.encode === 'vocabulary' ? { values: other.values } : {}
}
