import { DlrmError } from '../errors.js'
import type { LineFormat } from './delimited.js'
import { refuseQuantiles } from './features.js'
import { show, wholeNumber } from './options.js'
import type { CategoricalColumn, DenseTransform, SchemaJson } from './schema.js'
import type { DataSet } from './source.js'
import type { TextOptions } from './text_source.js'

const LABEL = 'label'
const INTEGERS = Array.from({ length: 13 }, (_, i) => `I${i + 1}`)
const CATEGORIES = Array.from({ length: 26 }, (_, i) => `C${i + 1}`)

/** The columns of a Criteo line: label, I1 to I13, C1 to C26. */
export const criteoColumns: readonly string[] = [LABEL, ...INTEGERS, ...CATEGORIES]

/** Options of {@link openCriteo}. */
export interface CriteoOptions extends TextOptions {
  /** Rows of every table, or of each: a category is its 32-bit value modulo so many (the reference's `max-ind-range`). */
  hashSize?: number | readonly number[]
  /**
   * Without `hashSize`: a vocabulary per column, of the categories that the training split has at least so many times
   * (default 10); all others share index 0. Costs a first pass over the file.
   */
  minCount?: number
  /** For the integers (default log1p). The quantiles of `quantile` are those of the training split's first 100,000 rows. */
  transform?: DenseTransform
  /** A validation file, instead of the training file's end. */
  validFile?: string
  testFile?: string
}

/**
 * Opens Criteo's display advertising data (Kaggle's train.txt, or a day of the Terabyte logs): lines of 40 cells between TABs, a
 * label 0 or 1, 13 integers, 26 categories of 8 hexadecimal digits; an empty cell is a missing value. Integers become log(x + 1), unless `transform` says
 * otherwise.
 * Any size of file: it is read as it is used, on a thread.
 */
export async function openCriteo(path: string, options: CriteoOptions = {}): Promise<DataSet> {
  const { validFile, testFile, hashSize, minCount, transform = 'log1p', ...rest } = options
  if (hashSize !== undefined && minCount !== undefined) {
    throw new DlrmError('ERR_ARGUMENT', 'hashSize, minCount: give one of them, not both')
  }
  refuseQuantiles(rest.schema, [transform])
  const categorical = categories(hashSize, minCount)
  const dense = INTEGERS.map(name => ({ name, transform }))
  const schema: SchemaJson = { version: 1, label: LABEL, dense, categorical }
  const format: LineFormat = { delimiter: 9, quotes: false, criteo: true, columns: criteoColumns }
  const { openTextFiles } = await import('./text_source.js') // not at once: `import 'dlrm'` should be quick
  return openTextFiles({
    ...rest,
    train: path,
    ...(validFile === undefined ? {} : { valid: validFile }),
    ...(testFile === undefined ? {} : { test: testFile }),
    inspect: () => ({ first: 0, format }),
    draft: () => schema,
  })
}

function categories(hashSize: CriteoOptions['hashSize'], minCount = 10): CategoricalColumn[] {
  if (hashSize === undefined) {
    wholeNumber('minCount', minCount, 1)
    return CATEGORIES.map(name => ({ name, encode: 'vocabulary', size: 1, values: [], minCount }))
  }
  const sizes = typeof hashSize === 'number' ? CATEGORIES.map(() => hashSize) : hashSize
  if (!Array.isArray(sizes) || sizes.length !== CATEGORIES.length) {
    throw new DlrmError(
      'ERR_ARGUMENT',
      `hashSize: expected a number or ${CATEGORIES.length} of them, received ${show(sizes)}`,
    )
  }
  return CATEGORIES.map((name, i) => ({ name, encode: 'hash', size: wholeNumber('hashSize', sizes[i], 1, 0x7fffffff) }))
}

/**
 * The cells of one Criteo line by column name, as `schema.encodeRows` and `model.predictRows` want them. The label may be absent
 * (39 cells, as in Criteo's test.txt). Throws `ERR_DATA` for another number of cells.
 */
export function criteoRow(line: string): Record<string, string> {
  const cells = line.replace(/\r?\n?$/, '').split('\t')
  const names = cells.length === criteoColumns.length - 1 ? criteoColumns.slice(1) : criteoColumns
  if (cells.length !== names.length) {
    throw new DlrmError('ERR_DATA', `Criteo line: expected 39 or 40 cells between TABs, received ${cells.length}`)
  }
  return Object.fromEntries(names.map((name, i) => [name, cells[i]!]))
}
