import { ByteDictionary } from './dictionary.js'
import { hex8, modulo, murmur3 } from './hash.js'
import { cumulative } from './quantiles.js'
import type { CategoricalColumn, DenseColumn } from './schema.js'

/**
 * The index of the category in `bytes[start..end)`, or a negative code of {@link BAD}.
 * One function per column serves both training files and `encodeRows`, so that both give the same index.
 */
export interface CellEncoder {
  (bytes: Uint8Array, start: number, end: number): number
  /** The same for the 8 lower-case hexadecimal digits of a 32-bit value, without looking at the digits. */
  hex?: (value: number) => number
}

/** Why a row is malformed. */
export const BAD = {
  number: -1,
  id: -2,
  range: -3,
  missingId: -4,
  hex: -5,
  label: -6,
  few: -7,
  many: -8,
  quote: -9,
  weight: -10,
} as const

const REASONS: Record<number, string> = {
  [BAD.number]: 'not a number',
  [BAD.id]: 'not an id (a non-negative integer)',
  [BAD.range]: 'id out of range',
  [BAD.missingId]: 'missing id',
  [BAD.hex]: 'not 8 hexadecimal digits',
  [BAD.label]: 'bad label',
  [BAD.few]: 'too few columns',
  [BAD.many]: 'too many columns',
  [BAD.quote]: 'unbalanced quotes',
  [BAD.weight]: 'bad weight',
}

/** The words for a code of {@link BAD}. */
export function badReason(code: number): string {
  return REASONS[code]!
}

/** An encoder per column; columns that share have the same one. */
export function cellEncoders(columns: readonly CategoricalColumn[]): CellEncoder[] {
  const made = new Map<string, CellEncoder>()
  return columns.map(column => {
    const owner = column.sharing ?? column.name
    const encoder = made.get(owner) ?? cellEncoder(column)
    made.set(owner, encoder)
    return encoder
  })
}

/** The encoder of a column's cells; a multi-valued cell is cut at its separator before. */
export function cellEncoder(column: CategoricalColumn): CellEncoder {
  switch (column.encode) {
    case 'hash':
      return hashEncoder(column.size)
    case 'vocabulary':
      return vocabularyEncoder(column.values)
    case 'id':
      return idEncoder(column.size)
  }
}

function hashEncoder(size: number): CellEncoder {
  const encoder: CellEncoder = (bytes, start, end) => {
    if (start === end) return 0
    const value = hex8(bytes, start, end)
    return modulo(value >= 0 ? value : murmur3(bytes, start, end), size)
  }
  encoder.hex = value => modulo(value, size)
  return encoder
}

function vocabularyEncoder(values: readonly string[]): CellEncoder {
  const dictionary = new ByteDictionary()
  for (const value of values) {
    const bytes = Buffer.from(value)
    dictionary.add(bytes, 0, bytes.length)
  }
  const encoder: CellEncoder = (bytes, start, end) => dictionary.find(bytes, start, end) + 1
  encoder.hex = value => dictionary.findHex(value) + 1
  return encoder
}

function idEncoder(size: number): CellEncoder {
  return (bytes, start, end) => {
    if (start === end) return BAD.missingId
    if (end - start > 15) return BAD.id
    let id = 0
    for (let i = start; i < end; i++) {
      const digit = bytes[i]! - 48
      if (digit < 0 || digit > 9) return BAD.id
      id = id * 10 + digit
    }
    return id < size ? id : BAD.range
  }
}

/** Numbers the values as they come, from 1; 0 is a missing value. Used to build vocabularies. */
export function growingEncoder(dictionary: ByteDictionary): CellEncoder {
  const encoder: CellEncoder = (bytes, start, end) => (start === end ? 0 : dictionary.add(bytes, start, end) + 1)
  encoder.hex = value => dictionary.addHex(value) + 1
  return encoder
}

/** Wraps an encoder so that anything but 8 hexadecimal digits or nothing is malformed. */
export function hexOnly(encoder: CellEncoder): CellEncoder {
  const strict: CellEncoder = (bytes, start, end) =>
    start === end || hex8(bytes, start, end) >= 0 ? encoder(bytes, start, end) : BAD.hex
  return Object.assign(strict, { hex: encoder.hex })
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/

/** The number in `bytes[start..end)`; NaN when it is not one, or not a finite float32. */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  const sign = bytes[start]
  let i = sign === 45 || sign === 43 ? start + 1 : start
  if (i < end && end - i < 16) {
    let value = 0
    for (; i < end; i++) {
      const digit = bytes[i]! - 48
      if (digit < 0 || digit > 9) return parseDecimal(bytes, start, end)
      value = value * 10 + digit
    }
    return sign === 45 ? -value : value
  }
  return parseDecimal(bytes, start, end)
}

function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
  const value = NUMBER.test(text) ? Number(text) : NaN
  return Number.isFinite(Math.fround(value)) ? value : NaN
}

/** float32 log(x + 1) of x clamped at 0, in float32 arithmetic as in the reference. */
export function log1p(value: number): number {
  if (!(value > 0)) return 0
  logs ??= Float32Array.from({ length: LOGS }, (_, i) => Math.log(i + 1))
  if (value < LOGS && Number.isInteger(value)) return logs[value]!
  return Math.log(Math.fround(Math.fround(value) + 1))
}

/** Logarithms of small integers are most of the time of a Criteo line's numbers. */
const LOGS = 4096
let logs: Float32Array | undefined

/** What the model sees for a dense value, before it becomes float32. */
export function denseEncoder({ transform, boundaries = [] }: DenseColumn): (value: number) => number {
  switch (transform) {
    case 'identity':
      return value => value
    case 'log1p':
      return log1p
    case 'quantile':
      return cumulative(boundaries)
  }
}
