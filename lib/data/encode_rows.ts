import { DlrmError } from '../errors.js'
import type { Bags, Batch } from './batch.js'
import { badReason, type CellEncoder, cellEncoders, denseEncoder, parseNumber } from './encode.js'
import { show } from './options.js'
import type { CategoricalColumn, Schema } from './schema.js'

type Row = Record<string, unknown>

interface Encoders {
  dense: ((value: number) => number)[]
  cells: CellEncoder[]
}

const known = new WeakMap<Schema, Encoders>()

function encodersOf(schema: Schema): Encoders {
  const made = known.get(schema) ?? {
    dense: schema.dense.map(denseEncoder),
    cells: cellEncoders(schema.categorical),
  }
  known.set(schema, made)
  return made
}

/** Implements `Schema.encodeRows`. */
export function encodeRows(schema: Schema, rows: readonly Row[]): Batch {
  if (!Array.isArray(rows)) throw new DlrmError('ERR_ARGUMENT', `rows: expected an array, received ${show(rows)}`)
  rows.forEach((row, b) => {
    checkRow(schema, row, b)
  })
  const size = rows.length
  const { dense: transforms, cells } = encodersOf(schema)
  const dense = new Float32Array(size * schema.denseCount)
  schema.dense.forEach(({ name }, d) => {
    const encode = transforms[d]!
    for (let b = 0; b < size; b++) dense[b * schema.denseCount + d] = encode(numberOf(rows[b]!, b, name))
  })
  const batch: Batch = { size, dense, tables: schema.categorical.map((column, t) => bagsOf(column, cells[t]!, rows)) }
  const { label, weight } = schema
  const all = (name: string): boolean => size > 0 && rows.every(row => !isMissing(row[name]))
  if (!all(label)) return batch
  batch.labels = Float32Array.from(rows, (row, b) => numberOf(row, b, label))
  if (weight !== undefined && all(weight)) batch.weights = Float32Array.from(rows, (row, b) => weightOf(row, b, weight))
  return batch
}

/** A row that names none of the columns is a mistake in the names rather than a row of missing values. */
function checkRow(schema: Schema, row: unknown, b: number): void {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new DlrmError('ERR_DATA', `row ${b}: expected an object of column values, received ${show(row)}`)
  }
  const known = (name: string): boolean => Object.hasOwn(row, name)
  const keys = Object.keys(row)
  if (keys.length === 0 || known(schema.label)) return
  if (!schema.dense.some(column => known(column.name)) && !schema.categorical.some(column => known(column.name))) {
    throw new DlrmError(
      'ERR_DATA',
      `row ${b}: none of its keys (${keys.slice(0, 5).join(', ')}) is a column of the schema`,
    )
  }
}

function isMissing(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}

function numberOf(row: Row, b: number, name: string): number {
  const value = row[name]
  if (isMissing(value)) return 0
  let x = NaN
  if (typeof value === 'string') {
    const bytes = Buffer.from(value)
    x = parseNumber(bytes, 0, bytes.length)
  } else if (typeof value === 'number' || typeof value === 'bigint') {
    x = Number.isFinite(Math.fround(Number(value))) ? Number(value) : NaN
  }
  if (Number.isNaN(x)) throw wrong(b, name, 'a finite number', value)
  return x
}

function weightOf(row: Row, b: number, name: string): number {
  const value = numberOf(row, b, name)
  if (value < 0) throw wrong(b, name, 'a number >= 0', row[name])
  return value
}

function bagsOf(column: CategoricalColumn, encode: CellEncoder, rows: readonly Row[]): Bags {
  const offsets = new Int32Array(rows.length + 1)
  const indices: number[] = []
  rows.forEach((row, b) => {
    for (const text of textsOf(column, row[column.name], b)) {
      const bytes = Buffer.from(text)
      const index = encode(bytes, 0, bytes.length)
      if (index < 0) {
        const range = column.encode === 'id' ? ` in [0, ${column.size})` : ''
        throw wrong(b, column.name, `an id${range} (${badReason(index)})`, row[column.name])
      }
      indices.push(index)
    }
    offsets[b + 1] = indices.length
  })
  return { offsets, indices: Int32Array.from(indices) }
}

/** The cell's values as a file would spell them. */
function textsOf(column: CategoricalColumn, value: unknown, b: number): string[] {
  const { separator } = column
  if (isMissing(value)) return ['']
  if (Array.isArray(value) && separator !== undefined) {
    return value.length > 0 ? value.flatMap(each => (isMissing(each) ? [''] : [textOf(column, each, b)])) : ['']
  }
  const text = textOf(column, value, b)
  return separator === undefined ? [text] : text.split(separator)
}

function textOf(column: CategoricalColumn, value: unknown, b: number): string {
  if (typeof value === 'string') return value
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value)
  const many = column.separator === undefined ? '' : ', or an array of them'
  throw wrong(b, column.name, `a string or an integer${many}`, value)
}

function wrong(b: number, name: string, expected: string, value: unknown): DlrmError {
  return new DlrmError(
    'ERR_DATA',
    `row ${b}: column ${JSON.stringify(name)}: expected ${expected}, received ${show(value)}`,
  )
}
