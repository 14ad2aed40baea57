import { DlrmError } from '../errors.js'
import type { LineFormat } from './delimited.js'
import { refuseQuantiles } from './features.js'
import { OPEN_SIZE, oneOf, show, wholeNumber } from './options.js'
import type { CategoricalColumn, DenseTransform, SchemaJson } from './schema.js'
import type { DataSet } from './source.js'
import type { Opening, TextOptions } from './text_source.js'

/** How categorical columns become indices. */
export interface CsvEncoding {
  /**
   * `vocabulary` (default): the values that the training split has at least `minCount` times, all others share index 0;
   * `hash`: modulo `size`; `id`: integers used as they are, below `size`.
   */
  encode?: 'vocabulary' | 'hash' | 'id'
  /** Rows of the table: needed by `hash`; `id` counts the training split's ids without it. */
  size?: number
  /** For `vocabulary`; default 1. */
  minCount?: number
  /** One character between several values in one cell. */
  separator?: string
}

/** Options of {@link openCsv}. */
export interface CsvOptions extends TextOptions, CsvEncoding {
  /** Name of the label column. */
  label: string
  /**
   * Name of a column of numbers >= 0: what each example counts in the training loss (`batch.weights`). Metrics do not weigh,
   * so other files may lack it; then it is 1.
   */
  weight?: string
  /** Names of the numeric columns (default none). */
  dense?: readonly string[]
  /** Names of the categorical columns (default: all that are neither label, weight nor dense). */
  categorical?: readonly string[]
  /** For dense columns (default identity). The quantiles of `quantile` are those of the training split's first 100,000 rows. */
  transform?: DenseTransform
  /** Encodings of single columns, over the ones above. */
  columns?: Readonly<Record<string, CsvEncoding & { transform?: DenseTransform }>>
  /** A validation file, instead of the training file's end. */
  valid?: string
  test?: string
  /** The character between cells (default a comma). */
  delimiter?: string
}

/**
 * Opens a CSV file whose first line names its columns. Cells may be quoted; a record is one line. An empty cell is a missing
 * value. By default every column has a vocabulary, built in a first pass over the training split.
 */
export async function openCsv(path: string, options: CsvOptions): Promise<DataSet> {
  const { delimiter = ',', valid, test, schema: given, transform, columns = {} } = options
  if (typeof delimiter !== 'string' || !/^[\t -~]$/.test(delimiter) || /["\w.+-]/.test(delimiter)) {
    throw new DlrmError(
      'ERR_ARGUMENT',
      `delimiter: expected one character that is no part of a number or word, received ${show(delimiter)}`,
    )
  }
  refuseQuantiles(given, [transform, ...Object.values(columns).map(column => column.transform)])
  // Not at once: `import 'dlrm'` should be quick.
  const { openTextFiles } = await import('./text_source.js')
  const { headerCells } = await import('./delimited.js')
  let schema: SchemaJson | undefined
  return openTextFiles({
    ...options,
    train: path,
    ...(valid === undefined ? {} : { valid }),
    ...(test === undefined ? {} : { test }),
    inspect: (file, head) => readHeader(file, head, line => headerCells(line, delimiter), delimiter),
    // Drafted once, from the training file's header, whatever the order of columns in the other files.
    draft: ({ format }) => {
      schema ??= draft(options, delimiter, format.columns)
      return schema
    },
  })
}

function readHeader(
  path: string,
  head: Buffer,
  split: (line: string) => string[] | undefined,
  delimiter: string,
): Opening {
  const end = head.indexOf(10)
  if (end < 0) throw new DlrmError('ERR_DATA', `${path}: has no header line followed by rows`)
  const line = head
    .toString('utf8', 0, end)
    .replace(/^\ufeff/, '')
    .replace(/\r$/, '')
  const columns = split(line)
  if (!columns) throw new DlrmError('ERR_DATA', `${path}:1: unbalanced quotes in the header`)
  const twice = columns.find((name, i) => columns.indexOf(name) !== i)
  if (twice !== undefined) throw new DlrmError('ERR_DATA', `${path}:1: column ${show(twice)} is named twice`)
  const format: LineFormat = { delimiter: delimiter.charCodeAt(0), quotes: true, criteo: false, columns }
  return { first: end + 1, format }
}

function draft(options: CsvOptions, delimiter: string, columns: readonly string[]): SchemaJson {
  const { label, weight, dense = [], columns: special = {} } = options
  if (typeof label !== 'string')
    throw new DlrmError('ERR_ARGUMENT', `label: expected a column name, received ${show(label)}`)
  const categorical =
    options.categorical ?? columns.filter(name => name !== label && name !== weight && !dense.includes(name))
  const stranger = Object.keys(special).find(name => !dense.includes(name) && !categorical.includes(name))
  if (stranger !== undefined) throw new DlrmError('ERR_ARGUMENT', `columns: ${show(stranger)} is not a feature column`)
  const encoded = categorical.map(name => {
    const { encode, size, minCount } = special[options.sharing?.[name] ?? name] ?? {}
    const shared = pick({ encode, size, minCount })
    return encoding(name, { ...pick(options), ...shared, ...special[name] }, delimiter)
  })
  const transform = (name: string): DenseTransform => special[name]?.transform ?? options.transform ?? 'identity'
  const numeric = dense.map(name => ({ name, transform: transform(name) }))
  return { version: 1, label, ...(weight === undefined ? {} : { weight }), dense: numeric, categorical: encoded }
}

function pick({ encode, size, minCount, separator }: CsvEncoding): CsvEncoding {
  return {
    ...(encode === undefined ? {} : { encode }),
    ...(size === undefined ? {} : { size }),
    ...(minCount === undefined ? {} : { minCount }),
    ...(separator === undefined ? {} : { separator }),
  }
}

function encoding(name: string, options: CsvEncoding, delimiter: string): CategoricalColumn {
  const { encode = 'vocabulary', size, minCount = 1, separator } = options
  oneOf(`encode of ${show(name)}`, encode, ['vocabulary', 'hash', 'id'])
  if (separator === delimiter) {
    throw new DlrmError('ERR_ARGUMENT', `separator of ${show(name)}: is the character between cells`)
  }
  const common = { name, ...(separator === undefined ? {} : { separator }) }
  if (encode === 'vocabulary') {
    return { ...common, encode, size: 1, values: [], minCount: wholeNumber(`minCount of ${show(name)}`, minCount, 1) }
  }
  const rows = encode === 'id' && size === undefined ? OPEN_SIZE : size
  return { ...common, encode, size: wholeNumber(`size of ${show(name)}`, rows, 1, OPEN_SIZE) }
}
