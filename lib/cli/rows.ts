import { open } from 'node:fs/promises'
import { criteoRow } from '../data/criteo.js'
import { headerCells } from '../data/delimited.js'
import type { Schema } from '../data/schema.js'
import { DlrmError, ioError } from '../errors.js'
import type { Io } from './io.js'

export type RowFormat = 'kaggle' | 'csv' | 'jsonl'
export type Row = Record<string, unknown>

export interface RowOptions {
  /** Default: guessed from the first line. */
  format?: RowFormat
  /** CSV: default a comma. */
  delimiter?: string
  /** Default error. */
  onBadLine?: 'skip' | 'error'
}

interface Line {
  number: number
  text: string
}

/** Most rows handed on at once. */
const MOST = 4096
const FILE_CHUNK = 1 << 18

/**
 * Raw rows of a file, or of standard input (`-`), in order and as they arrive: lists of rows that `schema.encodeRows` takes.
 * A malformed line is an `ERR_DATA` error naming it, or `undefined` with `onBadLine: 'skip'`. Other errors: `ERR_IO`.
 */
export async function* readRows(
  file: string,
  schema: Schema,
  io: Io,
  options: RowOptions,
): AsyncGenerator<(Row | undefined)[]> {
  const parser = new RowParser(schema, file === '-' ? 'standard input' : file, options)
  for await (const lines of linesOf(file, io)) {
    for (let i = 0; i < lines.length; i += MOST) yield parser.rows(lines.slice(i, i + MOST))
  }
}

/** The lines that each read completes, so that a slow pipe is answered line by line and a file in large batches. */
async function* linesOf(file: string, io: Io): AsyncGenerator<Line[]> {
  const decoder = new TextDecoder()
  let rest = ''
  let number = 0
  for await (const chunk of chunksOf(file, io)) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true })
    const texts = rest.split('\n')
    rest = texts.pop()!
    if (texts.length > 0) yield texts.map(text => ({ number: ++number, text: text.replace(/\r$/, '') }))
  }
  if (rest !== '') yield [{ number: ++number, text: rest.replace(/\r$/, '') }]
}

async function* chunksOf(file: string, io: Io): AsyncGenerator<Uint8Array | string> {
  if (file === '-') return yield* io.stdin as AsyncIterable<Uint8Array | string>
  const failed = (cause: unknown): never => {
    throw ioError(`cannot read ${file}`, cause)
  }
  const handle = await open(file).catch(failed)
  try {
    for (;;) {
      const { bytesRead, buffer } = await handle!.read(new Uint8Array(FILE_CHUNK), 0, FILE_CHUNK, null).catch(failed)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}

class RowParser {
  readonly #schema: Schema
  readonly #name: string
  readonly #delimiter: string
  readonly #skip: boolean
  #format: RowFormat | undefined
  #columns: string[] | undefined

  constructor(schema: Schema, name: string, { format, delimiter, onBadLine }: RowOptions) {
    this.#schema = schema
    this.#name = name
    this.#format = format ?? (delimiter === undefined ? undefined : 'csv')
    this.#delimiter = delimiter ?? ','
    this.#skip = onBadLine === 'skip'
  }

  rows(lines: readonly Line[]): (Row | undefined)[] {
    const taken = lines.filter(line => line.text !== '')
    if (taken.length === 0) return []
    this.#format ??= guess(taken[0]!.text)
    if (this.#format === 'csv' && !this.#columns) this.#columns = this.#header(taken.shift()!.text)
    const rows = taken.map(line => this.#attempt(line, () => this.#parse(line.text)))
    try {
      this.#schema.encodeRows(rows.filter(row => row !== undefined))
      return rows
    } catch {
      return rows.map((row, i) => row && this.#attempt(taken[i]!, () => this.#checked(row)))
    }
  }

  #checked(row: Row): Row {
    this.#schema.encodeRows([row])
    return row
  }

  #attempt(line: Line, make: () => Row): Row | undefined {
    try {
      return make()
    } catch (error) {
      if (this.#skip && error instanceof DlrmError) return undefined
      const why = (error as Error).message.replace(/^row 0: /, '')
      throw new DlrmError('ERR_DATA', `${this.#name}:${line.number}: ${why}`, { cause: error })
    }
  }

  /** The label is left out: nobody needs it here, and it may hold anything. */
  #parse(text: string): Row {
    const row =
      this.#format === 'jsonl' ? jsonRow(text) : this.#format === 'kaggle' ? criteoRow(text) : this.#csvRow(text)
    delete row[this.#schema.label]
    return row
  }

  #csvRow(text: string): Row {
    const cells = headerCells(text, this.#delimiter)
    if (!cells) throw new DlrmError('ERR_DATA', 'unbalanced quotes')
    const columns = this.#columns!
    if (cells.length !== columns.length) {
      throw new DlrmError('ERR_DATA', `expected ${columns.length} cells, received ${cells.length}`)
    }
    return Object.fromEntries(columns.map((name, i) => [name, cells[i]]))
  }

  #header(text: string): string[] {
    const columns = headerCells(text.replace(/^\ufeff/, ''), this.#delimiter) ?? []
    const lacking = [...this.#schema.dense, ...this.#schema.categorical].find(({ name }) => !columns.includes(name))
    if (lacking) {
      throw new DlrmError('ERR_DATA', `${this.#name}: its header has no column ${JSON.stringify(lacking.name)}`)
    }
    return columns
  }
}

/** The format that a first line looks like. */
export function guess(text: string): RowFormat {
  if (text.trimStart().startsWith('{')) return 'jsonl'
  const cells = text.split('\t').length
  return cells === 39 || cells === 40 ? 'kaggle' : 'csv'
}

function jsonRow(text: string): Row {
  let row: unknown
  try {
    row = JSON.parse(text)
  } catch (error) {
    throw new DlrmError('ERR_DATA', `not JSON: ${(error as Error).message}`)
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new DlrmError('ERR_DATA', 'expected an object of column values')
  }
  return { ...row }
}
