/** What makes columns a schema. */
import { DlrmError, type ErrorCode } from '../errors.js'
import { show } from './options.js'

type Column = Record<string, unknown>

/** Throws `code` for columns that make no schema. */
export function checkColumns(
  code: ErrorCode,
  label: unknown,
  weight: unknown,
  dense: unknown,
  categorical: unknown,
): void {
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
    checkTransform(code, column)
    checkBuckets(code, column)
  })
  categorical.forEach((value: unknown, i) => {
    const column = record(code, `categorical[${i}]`, value)
    name(`categorical[${i}]`, column.name)
    checkCategorical(code, column)
  })
  for (const column of categorical) if (column.sharing !== undefined) checkSharing(code, column, categorical)
}

const isFloat = (x: unknown): boolean => typeof x === 'number' && Number.isFinite(Math.fround(x))

function checkTransform(code: ErrorCode, { name, transform, boundaries }: Column): void {
  if (transform !== 'identity' && transform !== 'log1p' && transform !== 'quantile') {
    const expected = 'expected transform identity, log1p or quantile'
    throw new DlrmError(code, `schema: ${name}: ${expected}, received ${show(transform)}`)
  }
  if (transform !== 'quantile') {
    if (boundaries === undefined) return
    throw new DlrmError(code, `schema: ${name}: boundaries: only with transform quantile, received ${transform}`)
  }
  const isBoundary = (x: unknown, i: number, all: unknown[]): boolean =>
    isFloat(x) && (i === 0 || (x as number) >= (all[i - 1] as number))
  if (!Array.isArray(boundaries) || boundaries.length < 2 || !boundaries.every(isBoundary)) {
    const expected = 'expected two or more finite numbers, none below the one before'
    throw new DlrmError(code, `schema: ${name}: boundaries: ${expected}, received ${show(boundaries)}`)
  }
}

function checkBuckets(code: ErrorCode, { name, buckets }: Column): void {
  if (buckets === undefined) return
  const isBoundary = (x: unknown, i: number, all: unknown[]): boolean =>
    isFloat(x) && (i === 0 || (x as number) > (all[i - 1] as number))
  if (!Array.isArray(buckets) || !buckets.every(isBoundary)) {
    throw new DlrmError(code, `schema: ${name}: buckets: expected finite ascending numbers, received ${show(buckets)}`)
  }
}

/** The values that both columns have need the same index. */
function checkSharing(code: ErrorCode, column: Column, all: readonly Column[]): void {
  const { name, sharing, encode, size, values } = column
  const bad = (message: string) => new DlrmError(code, `schema: ${name}: sharing: ${message}`)
  const other = all.find(candidate => candidate.name === sharing)
  if (!other) throw bad(`expected the name of a categorical column, received ${show(sharing)}`)
  if (other.sharing !== undefined) throw bad(`${other.name} has no table of its own to share`)
  if (encode !== other.encode) throw bad(`expected encode ${other.encode} as ${other.name} has, received ${encode}`)
  if (size !== other.size) throw bad(`expected size ${other.size} as ${other.name} has, received ${size}`)
  const [own, others] = [values ?? [], other.values ?? []] as [unknown[], unknown[]]
  if (own.length > 0 && own.some((value, i) => value !== others[i])) throw bad(`expected the values of ${other.name}`)
}

function checkCategorical(code: ErrorCode, column: Column): void {
  const { name, encode, size, separator, pooling, sharing, values, minCount } = column
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
  if (pooling !== undefined && pooling !== 'sum' && pooling !== 'mean' && pooling !== 'max') {
    throw bad('pooling', 'sum, mean or max', pooling)
  }
  if ((pooling === 'mean' || pooling === 'max') && separator === undefined) {
    throw bad('pooling', 'a separator of several values with it', pooling)
  }
  if (encode !== 'vocabulary') return
  if (minCount !== undefined && (!Number.isInteger(minCount) || (minCount as number) < 1)) {
    throw bad('minCount', 'an integer >= 1', minCount)
  }
  if (!Array.isArray(values)) throw bad('values', 'an array of strings', values)
  if (sharing !== undefined && values.length === 0) return
  if (values.length + 1 !== size) throw bad('size', `${values.length + 1} (the values and one for the rest)`, size)
  for (const value of values)
    if (typeof value !== 'string' || value === '') throw bad('values', 'non-empty strings', value)
  if (new Set(values).size !== values.length) throw bad('values', 'different strings', 'the same string twice')
}

/** `value` as an object; throws `code` if it is none. */
export function record(code: ErrorCode, what: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DlrmError(code, `${what}: expected an object, received ${show(value)}`)
  }
  return value as Record<string, unknown>
}
