import { BAD, type CellEncoder, cellEncoders, denseEncoder, hexOnly, log1p, parseNumber } from './encode.js'
import { hexAt } from './hash.js'
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
/** A category, one per cell, whose encoder takes hexadecimal values. */
const HEX = 4
const WEIGHT = 5
/** A number that `#transforms` makes something of: apart from the others, which are the fast path. */
const TRANSFORMED = 6
const ZERO = 48
const MINUS = 45
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
  /** Table of each categorical column; dense feature of each `TRANSFORMED` one. */
  readonly #index: Int32Array
  /** Word of each column in a row. */
  readonly #word: Int32Array
  /** Which dense columns are log-transformed. */
  readonly #log: Uint8Array
  readonly #transforms: ((value: number) => number)[]
  readonly #encoders: CellEncoder[]
  readonly #separators: Int32Array
  /** The word of a weight that the file lacks and that is 1 therefore; -1: none. */
  readonly #weightOfOne: number
  /** The inside of a quoted cell. */
  #scratch = new Uint8Array(0)
  #scratchSize = 0

  /** `encoders`: instead of the schema's own, one per categorical column. */
  constructor(schema: Schema, format: LineFormat, encoders?: readonly CellEncoder[]) {
    this.layout = new Layout(schema)
    this.#format = format
    this.#kind = new Uint8Array(format.columns.length)
    this.#index = new Int32Array(format.columns.length)
    this.#word = new Int32Array(format.columns.length)
    this.#log = new Uint8Array(format.columns.length)
    this.#transforms = schema.dense.map(denseEncoder)
    const own = encoders ?? cellEncoders(schema.categorical)
    this.#encoders = format.criteo ? own.map(hexOnly) : [...own]
    this.#separators = Int32Array.from(schema.categorical, column => column.separator?.charCodeAt(0) ?? -1)
    this.#weightOfOne = schema.weight !== undefined && format.columns.includes(schema.weight) ? -1 : this.layout.weight
    format.columns.forEach((name, c) => {
      const d = schema.dense.findIndex(column => column.name === name)
      const t = schema.categorical.findIndex(column => column.name === name)
      if (name === schema.label) this.#kind[c] = LABEL
      if (name === schema.weight) {
        this.#kind[c] = WEIGHT
        this.#word[c] = this.layout.weight
      }
      if (d >= 0) {
        this.#kind[c] = schema.dense[d]!.transform === 'quantile' ? TRANSFORMED : DENSE
        this.#word[c] = 1 + d
        this.#index[c] = d
        this.#log[c] = Number(schema.dense[d]!.transform === 'log1p')
      }
      if (t >= 0) {
        this.#kind[c] = this.#separators[t]! < 0 && this.#encoders[t]!.hex ? HEX : CATEGORY
        this.#word[c] = this.layout.word[t]!
        this.#index[c] = t
      }
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
    const { delimiter } = this.#format
    const kinds = this.#kind
    const words = this.#word
    const columns = kinds.length
    const base = out.reserve()
    const { poolSize } = out
    let p = start
    for (let c = 0; c < columns; c++) {
      const ender = c === columns - 1 ? LINE_FEED : delimiter
      const kind = kinds[c]!
      let q = -1
      if (kind === HEX) q = hexCell(bytes, p, ender, out.words, base + words[c]!, this.#encoders[this.#index[c]!]!.hex!)
      else if (kind === DENSE) q = integerCell(bytes, p, ender, out.floats, base + words[c]!, this.#log[c]!)
      if (q < 0) q = this.#anyCell(bytes, p, ender, c, base, out)
      if (this.bad !== 0) {
        this.badColumn = c
        out.poolSize = poolSize
        return bytes.indexOf(LINE_FEED, q) + 1
      }
      p = q + 1
    }
    if (this.#weightOfOne >= 0) out.floats[base + this.#weightOfOne] = 1
    out.rows++
    return p
  }

  /** Any cell: sets `bad` when it is malformed. Returns where its ender is, or somewhere in a refused line. */
  #anyCell(bytes: Uint8Array, p: number, ender: number, c: number, base: number, out: Records): number {
    const { delimiter, quotes } = this.#format
    let q = p
    if (quotes && bytes[p] === QUOTE) {
      q = this.#unquote(bytes, p)
      if (q < 0) return this.#refuse(BAD.quote, p)
      if (bytes[q] !== ender) return this.#refuse(ender === delimiter ? BAD.few : BAD.many, q)
      return this.#refuse(this.#cell(c, this.#scratch, 0, this.#scratchSize, base, out), q)
    }
    for (let byte = bytes[q]!; byte !== delimiter && byte !== LINE_FEED; byte = bytes[++q]!);
    if (bytes[q] !== ender) return this.#refuse(ender === delimiter ? BAD.few : BAD.many, q)
    const end = ender === LINE_FEED && q > p && bytes[q - 1] === RETURN ? q - 1 : q
    return this.#refuse(this.#cell(c, bytes, p, end, base, out), q)
  }

  /** Notes what a cell's code says, and goes on at `at`. */
  #refuse(code: number, at: number): number {
    if (code < 0) this.bad = code
    return at
  }

  /** Stores one cell; a negative code when it is malformed. */
  #cell(c: number, bytes: Uint8Array, start: number, end: number, base: number, out: Records): number {
    const kind = this.#kind[c]!
    if (kind === IGNORED) return 0
    const index = this.#index[c]!
    const word = base + this.#word[c]!
    if (kind === CATEGORY || kind === HEX) {
      if (this.#separators[index]! >= 0) return this.#values(index, bytes, start, end, word, out)
      const code = this.#encoders[index]!(bytes, start, end)
      out.words[word] = code
      return code
    }
    const empty = kind === DENSE || kind === TRANSFORMED ? 0 : NaN
    const value = start < end ? parseNumber(bytes, start, end) : empty
    if (kind === WEIGHT && !(value >= 0)) return BAD.weight
    if (Number.isNaN(value)) return kind === LABEL ? BAD.label : BAD.number
    if (kind === LABEL && this.#format.criteo && value !== 0 && value !== 1) return BAD.label
    if (kind === TRANSFORMED) out.floats[word] = this.#transforms[index]!(value)
    else out.floats[word] = this.#log[c] === 1 ? log1p(value) : value
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
    if (this.#scratch.length < lineEnd - start) this.#scratch = new Uint8Array(2 * (lineEnd - start))
    let n = 0
    let p = start + 1
    let closed = false
    for (; p < lineEnd && !closed; p++) {
      if (bytes[p] === QUOTE && bytes[++p] !== QUOTE) closed = true
      else this.#scratch[n++] = bytes[p]!
    }
    if (!closed) return -1
    p--
    this.#scratchSize = n
    if (bytes[p] === RETURN && p + 1 === lineEnd) p++
    return bytes[p] === this.#format.delimiter || p === lineEnd ? p : -1
  }
}

/** The usual category, empty or 8 hexadecimal digits, decoded without a loop: where it ends, or -1 for any other cell. */
function hexCell(
  bytes: Uint8Array,
  p: number,
  ender: number,
  words: Int32Array,
  word: number,
  indexOf: (value: number) => number,
): number {
  if (bytes[p] === ender) {
    words[word] = 0
    return p
  }
  const value = bytes[p + 8] === ender ? hexAt(bytes, p) : -1
  if (value < 0) return -1
  words[word] = indexOf(value)
  return p + 8
}

/** The same for the usual number: empty, or an integer of few digits. */
function integerCell(
  bytes: Uint8Array,
  p: number,
  ender: number,
  floats: Float32Array,
  word: number,
  log: number,
): number {
  const negative = bytes[p] === MINUS
  const digits = negative ? p + 1 : p
  let q = digits
  let value = 0
  for (let byte = bytes[q]!; byte !== ender; byte = bytes[++q]!) {
    const digit = byte - ZERO
    if (digit < 0 || digit > 9 || q - digits > 8) return -1
    value = value * 10 + digit
  }
  if (negative) {
    if (q === digits) return -1
    value = -value
  }
  floats[word] = log === 1 ? log1p(value) : value
  return q
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
