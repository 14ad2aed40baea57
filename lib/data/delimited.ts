import { BAD, type CellEncoder, cellEncoder, hexOnly, parseNumber, transformed } from './encode.js'
import { Layout, type Records } from './records.js'
import type { Schema } from './schema.js'

/** How a file's lines are cut into cells. A record is one line: a quoted cell cannot hold a line end. */
export interface LineFormat {
  /** The byte between cells. */
  delimiter: number
  /** Cells may be in double quotes, a quote in them doubled (RFC 4180). */
  quotes: boolean
  /** Categories are 8 hexadecimal digits, and labels 0 or 1 (Criteo). */
  criteo: boolean
  /** Column names in the file's order; those the schema lacks are passed over. */
  columns: readonly string[]
}

const IGNORED = 0
const LABEL = 1
const DENSE = 2
const CATEGORY = 3
const LINE_FEED = 10
const RETURN = 13
const QUOTE = 34

/** Parses lines into records, bytes to words, without strings in between. */
export class LineParser {
  readonly layout: Layout
  /** Why the last line was refused (a code of `BAD`), and at which column; 0 when it was taken. */
  bad = 0
  badColumn = -1

  readonly #format: LineFormat
  readonly #kind: Uint8Array
  /** Index of each column among its kind. */
  readonly #index: Int32Array
  readonly #log: boolean[]
  readonly #encoders: CellEncoder[]
  readonly #separators: Int32Array
  readonly #scratch = { bytes: new Uint8Array(0), start: 0, end: 0 }

  /** `encoders`: instead of the schema's own, one per categorical column. */
  constructor(schema: Schema, format: LineFormat, encoders?: readonly CellEncoder[]) {
    this.layout = new Layout(schema)
    this.#format = format
    this.#kind = new Uint8Array(format.columns.length)
    this.#index = new Int32Array(format.columns.length)
    this.#log = schema.dense.map(column => column.transform === 'log1p')
    const own = encoders ?? schema.categorical.map(cellEncoder)
    this.#encoders = format.criteo ? own.map(hexOnly) : [...own]
    this.#separators = Int32Array.from(schema.categorical, column => column.separator?.charCodeAt(0) ?? -1)
    format.columns.forEach((name, c) => {
      const dense = schema.dense.findIndex(column => column.name === name)
      const table = schema.categorical.findIndex(column => column.name === name)
      this.#kind[c] = name === schema.label ? LABEL : dense >= 0 ? DENSE : table >= 0 ? CATEGORY : IGNORED
      this.#index[c] = Math.max(dense, table)
    })
  }

  /**
   * Parses the line that begins at `start` into the next row of `out` and returns where the following line begins.
   * The bytes must end in a line feed. Afterwards `bad` says whether the row was taken; an empty line is neither.
   */
  parse(bytes: Uint8Array, start: number, out: Records): number {
    this.bad = 0
    const after = bytes[start] === RETURN ? start + 1 : start
    if (bytes[after] === LINE_FEED) return after + 1
    const { delimiter, quotes } = this.#format
    const columns = this.#kind.length
    const base = out.reserve()
    const { poolSize } = out
    let p = start
    for (let c = 0; c < columns; c++) {
      let q = p
      let cell = bytes
      let from = p
      let to: number
      if (quotes && bytes[p] === QUOTE) {
        q = this.#unquote(bytes, p)
        if (q < 0) return this.#refuse(BAD.quote, c, bytes, p, out, poolSize)
        ;({ bytes: cell, start: from, end: to } = this.#scratch)
      } else {
        for (let byte = bytes[q]!; byte !== delimiter && byte !== LINE_FEED; byte = bytes[++q]!);
        to = q
      }
      const lineEnds = bytes[q] === LINE_FEED
      if (lineEnds && cell === bytes && to > from && bytes[to - 1] === RETURN) to--
      if (lineEnds !== (c === columns - 1))
        return this.#refuse(lineEnds ? BAD.few : BAD.many, c, bytes, q, out, poolSize)
      const code = this.#cell(c, cell, from, to, base, out)
      if (code < 0) return this.#refuse(code, c, bytes, q, out, poolSize)
      p = q + 1
    }
    out.rows++
    return p
  }

  /** Stores one cell; a negative code when it is malformed. */
  #cell(c: number, bytes: Uint8Array, start: number, end: number, base: number, out: Records): number {
    const kind = this.#kind[c]!
    if (kind === IGNORED) return 0
    const index = this.#index[c]!
    if (kind === CATEGORY) {
      const word = base + this.layout.word[index]!
      if (this.#separators[index]! >= 0) return this.#values(index, bytes, start, end, word, out)
      const code = this.#encoders[index]!(bytes, start, end)
      out.words[word] = code
      return code
    }
    if (kind === LABEL) {
      const value = start === end ? NaN : parseNumber(bytes, start, end)
      if (Number.isNaN(value) || (this.#format.criteo && value !== 0 && value !== 1)) return BAD.label
      out.floats[base] = value
      return 0
    }
    const value = start === end ? 0 : parseNumber(bytes, start, end)
    if (Number.isNaN(value)) return BAD.number
    out.floats[base + 1 + index] = transformed(this.#log[index] ? 'log1p' : 'identity', value)
    return 0
  }

  /** A multi-valued cell. */
  #values(index: number, bytes: Uint8Array, start: number, end: number, word: number, out: Records): number {
    const separator = this.#separators[index]!
    const first = out.poolSize
    for (let p = start; p <= end; p++) {
      let q = p
      while (q < end && bytes[q] !== separator) q++
      const code = this.#encoders[index]!(bytes, p, q)
      if (code < 0) return code
      out.pushIndex(code)
      p = q
    }
    out.words[word] = first
    out.words[word + 1] = out.poolSize - first
    return 0
  }

  /** Leaves the inside of the quoted cell that begins at `start` in the scratch; returns where the cell ends, or -1. */
  #unquote(bytes: Uint8Array, start: number): number {
    const lineEnd = bytes.indexOf(LINE_FEED, start)
    const scratch = this.#scratch
    if (scratch.bytes.length < lineEnd - start) scratch.bytes = new Uint8Array(2 * (lineEnd - start))
    let n = 0
    let p = start + 1
    let closed = false
    for (; p < lineEnd && !closed; p++) {
      if (bytes[p] === QUOTE && bytes[++p] !== QUOTE) closed = true
      else scratch.bytes[n++] = bytes[p]!
    }
    if (!closed) return -1
    p--
    scratch.end = n
    if (bytes[p] === RETURN && p + 1 === lineEnd) p++
    return bytes[p] === this.#format.delimiter || p === lineEnd ? p : -1
  }

  #refuse(code: number, column: number, bytes: Uint8Array, at: number, out: Records, poolSize: number): number {
    this.bad = code
    this.badColumn = column
    out.poolSize = poolSize
    return bytes.indexOf(LINE_FEED, at) + 1
  }
}

/** The cells of a header line (without its line end); undefined when its quotes are not balanced. */
export function headerCells(line: string, delimiter: string): string[] | undefined {
  const cells: string[] = []
  let cell = ''
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!
    if (quoted && char === '"' && line[i + 1] === '"') cell += line[i++]
    else if (char === '"' && (quoted || cell === '')) quoted = !quoted
    else if (char === delimiter && !quoted) {
      cells.push(cell)
      cell = ''
    } else cell += char
  }
  return quoted ? undefined : [...cells, cell]
}
