import { DlrmError, type ErrorCode } from '../errors.js'
import type { Batch } from './batch.js'
import { encodeRows } from './encode_rows.js'
import { show } from './options.js'

/** `log1p` is log(x + 1) with negative x taken as 0. A missing value is 0 either way. */
export type DenseTransform = 'identity' | 'log1p'

/** One numeric column. */
export interface DenseColumn {
  name: string
  transform: DenseTransform
}

interface Categorical {
  name: string
  /** Rows of the column's embedding table. */
  size: number
  /** One ASCII character that separates several values in one cell; without it a cell is one value. */
  separator?: string
}

/** Exactly 8 hexadecimal digits: their 32-bit value modulo `size`; other text: its MurmurHash3 modulo `size`; missing: 0. */
export interface HashColumn extends Categorical {
  encode: 'hash'
}

/** `values[i]` has index i + 1; anything else (rare, unknown, missing) has index 0. `size` is `values.length + 1`. */
export interface VocabularyColumn extends Categorical {
  encode: 'vocabulary'
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
    this.categorical = categorical
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
    const { label, weight, dense, categorical } = this
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
   * Encodes raw rows exactly as a training file's rows are: `{ I1: 3, C1: '68fd1e64' }`.
   * A missing, null or empty value is a missing value; keys that are not columns are ignored. Labels are filled in when every
   * row has one, then weights of the examples too. Throws `ERR_DATA` naming row and column for a value of the wrong type.
   */
  encodeRows(rows: readonly Record<string, unknown>[]): Batch {
    return encodeRows(this, rows)
  }
}

function checkColumns(code: ErrorCode, label: unknown, weight: unknown, dense: unknown, categorical: unknown): void {
  const names = new Set<unknown>()
  const name = (what: string, value: unknown): void => {
    if (typeof value !== 'string' || value === '') {
      throw new DlrmError(code, `schema: ${what}: expected a column name, received ${show(value)}`)
    }
    if (names.has(value)) throw new DlrmError(code, `schema: ${what}: column ${show(value)} is named twice`)
    names.add(value)
  }
  if (!Array.isArray(dense)) throw new DlrmError(code, `schema: dense: expected an array, received ${show(dense)}`)
  if (!Array.isArray(categorical)) {
    throw new DlrmError(code, `schema: categorical: expected an array, received ${show(categorical)}`)
  }
  name('label', label)
  if (weight !== undefined) name('weight', weight)
  dense.forEach((value: unknown, i) => {
    const column = record(code, `dense[${i}]`, value)
    name(`dense[${i}]`, column.name)
    if (column.transform !== 'identity' && column.transform !== 'log1p') {
      throw new DlrmError(
        code,
        `schema: ${column.name}: expected transform identity or log1p, received ${show(column.transform)}`,
      )
    }
  })
  categorical.forEach((value: unknown, i) => {
    const column = record(code, `categorical[${i}]`, value)
    name(`categorical[${i}]`, column.name)
    checkCategorical(code, column)
  })
}

function checkCategorical(code: ErrorCode, column: Record<string, unknown>): void {
  const { name, encode, size, separator, values, minCount } = column
  const bad = (what: string, expected: string, received: unknown): DlrmError => {
    return new DlrmError(code, `schema: ${name}: ${what}: expected ${expected}, received ${show(received)}`)
  }
  if (encode !== 'hash' && encode !== 'vocabulary' && encode !== 'id')
    throw bad('encode', 'hash, vocabulary or id', encode)
  if (!Number.isInteger(size) || (size as number) < 1 || (size as number) > 0x7fffffff) {
    throw bad('size', 'an integer in [1, 2^31)', size)
  }
  if (separator !== undefined && (typeof separator !== 'string' || !/^[!-~ ]$/.test(separator))) {
    throw bad('separator', 'one ASCII character', separator)
  }
  if (encode !== 'vocabulary') return
  if (minCount !== undefined && (!Number.isInteger(minCount) || (minCount as number) < 1)) {
    throw bad('minCount', 'an integer >= 1', minCount)
  }
  if (!Array.isArray(values)) throw bad('values', 'an array of strings', values)
  if (values.length + 1 !== size) throw bad('size', `${values.length + 1} (the values and one for the rest)`, size)
  for (const value of values)
    if (typeof value !== 'string' || value === '') throw bad('values', 'non-empty strings', value)
  if (new Set(values).size !== values.length) throw bad('values', 'different strings', 'the same string twice')
}

function record(code: ErrorCode, what: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DlrmError(code, `${what}: expected an object, received ${show(value)}`)
  }
  return value as Record<string, unknown>
}
