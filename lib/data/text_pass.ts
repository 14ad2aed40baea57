import { DlrmError } from '../errors.js'
import { LineFile } from './blocks.js'
import { type LineFormat, LineParser } from './delimited.js'
import { badReason, type CellEncoder } from './encode.js'
import { Prng } from './prng.js'
import { type PackedBatch, packBatch, Records, type Span } from './records.js'
import { Schema, type SchemaJson } from './schema.js'
import type { Position } from './source.js'

/** Everything the reading thread needs to know of one split. Plain data: it is posted to the thread. */
export interface TextPlan {
  path: string
  /** Size of the file when the data set was opened. */
  fileBytes: number
  /** Where the file's first line begins. */
  first: number
  /** The split is the lines that begin in [start, end). */
  start: number
  end: number
  format: LineFormat
  schema: SchemaJson
  onBadLine: 'skip' | 'error'
  /** Text that is parsed and shuffled together. */
  groupBytes: number
  /** Text that is read at once; in a shuffled pass blocks come in random order. Divides `groupBytes`. */
  blockBytes: number
}

export interface PassOptions {
  batchSize: number
  epoch: number
  seed: number
  shuffle: boolean
  from?: Position
}

/** Rows refused, by reason. */
export type Skipped = Record<string, number>

/** A group's rows, once all its blocks are parsed. */
interface Group {
  ordinal: number
  records: Records
  blocks: number
  skipped: Skipped
}

/** Parsed rows of splits that are one group, kept for the next pass. */
export type GroupCache = Map<TextPlan, { stamp: string; group: Group }>

const BLOCK_STREAM = 0
const ROW_STREAM = 1

/**
 * One pass over a split: blocks in the order of (seed, epoch), cut into groups; the rows of a group in an order drawn from
 * (seed, epoch, group). A position is a group and a row in it, so resuming parses one group again and nothing before it.
 * Unshuffled, both orders are the file's, and each block of a large split is a group. Not for the main thread: it reads synchronously.
 */
export class TextPass {
  readonly skipped: Skipped = {}
  readonly #plan: TextPlan
  readonly #options: PassOptions
  readonly #cache: GroupCache
  readonly #file: LineFile
  readonly #parser: LineParser
  readonly #blocks: number
  readonly #perGroup: number
  readonly #groups: number
  readonly #order: Uint32Array | undefined
  #current: Group | undefined
  #rows: Uint32Array = new Uint32Array(0)
  #row = 0
  #ahead: Group | undefined
  /** Memory of groups that were used up: `used` ones may still be part of the batch that is being put together. */
  #used: Records[] = []
  #spare: Records[] = []
  #taken = 0

  constructor(plan: TextPlan, options: PassOptions, cache: GroupCache = new Map(), encoders?: readonly CellEncoder[]) {
    this.#plan = plan
    this.#options = options
    this.#cache = cache
    this.#parser = new LineParser(Schema.fromJSON(plan.schema), plan.format, encoders)
    this.#blocks = Math.ceil((plan.end - plan.start) / plan.blockBytes)
    const perGroup = plan.groupBytes / plan.blockBytes
    this.#perGroup = options.shuffle || this.#blocks <= perGroup ? perGroup : 1
    this.#groups = Math.ceil(this.#blocks / this.#perGroup)
    // A single group is shuffled by rows alone, so that its parsed rows serve every epoch.
    if (options.shuffle && this.#groups > 1) {
      this.#order = new Prng(options.seed, options.epoch, BLOCK_STREAM).permutation(this.#blocks)
    }
    const { group, row } = startOf(plan, options)
    this.#file = new LineFile(plan.path, plan.fileBytes, plan.first)
    this.#ahead = group < this.#groups ? this.#begin(group) : undefined
    this.#row = row
  }

  close(): void {
    this.#file.close()
  }

  /** The next rows, up to `batchSize`, packed; undefined at the end. */
  next(): PackedBatch | undefined {
    const spans: Span[] = []
    let wanted = this.#options.batchSize
    while (wanted > 0 && this.#enter()) {
      const rows = this.#rows.subarray(this.#row, this.#row + wanted)
      spans.push({ records: this.#current!.records, rows })
      this.#row += rows.length
      wanted -= rows.length
    }
    this.#taken += this.#options.batchSize - wanted
    if (spans.length > 0) {
      const packed = packBatch(this.#parser.layout, spans, this.#position())
      this.#spare.push(...this.#used.splice(0))
      return packed
    }
    if (this.#taken === 0 && this.#options.from === undefined) this.#complainOfNoRows()
    return undefined
  }

  /** Parses one block of the following group, if there is one; false when nothing is left to prepare. */
  prepare(): boolean {
    const ahead = this.#ahead
    if (!ahead || ahead.blocks === this.#blocksOf(ahead.ordinal)) return false
    this.#parseBlock(ahead)
    return true
  }

  /** Parses every block in the file's order and shows each block's rows to `visit`; they are not kept. Returns the row count. */
  scan(visit: (records: Records) => void): number {
    let rows = 0
    for (let ordinal = 0; ordinal < this.#groups; ordinal++) {
      const group = this.#begin(ordinal)
      while (group.blocks < this.#blocksOf(ordinal)) {
        this.#parseBlock(group)
        visit(group.records)
        rows += group.records.rows
        group.records.rows = 0
        group.records.poolSize = 0
      }
      this.#addSkipped(group)
    }
    return rows
  }

  /** Makes the current group one that has rows left; false at the end. */
  #enter(): boolean {
    while (!this.#current || this.#row >= this.#rows.length) {
      const group = this.#ahead
      if (!group) return false
      while (this.prepare());
      this.#keep(group)
      this.#addSkipped(group)
      const resumed = this.#current === undefined
      if (this.#current && this.#groups > 1) this.#used.push(this.#current.records)
      this.#current = group
      const { seed, epoch, shuffle } = this.#options
      const { rows } = group.records
      this.#rows = shuffle ? new Prng(seed, epoch, ROW_STREAM, group.ordinal).permutation(rows) : ascending(rows)
      if (!resumed) this.#row = 0
      this.#ahead = group.ordinal + 1 < this.#groups ? this.#begin(group.ordinal + 1) : undefined
    }
    return true
  }

  #begin(ordinal: number): Group {
    const kept = this.#groups === 1 ? this.#cache.get(this.#plan) : undefined
    if (kept?.stamp === this.#file.stamp) return kept.group
    const records = this.#spare.pop() ?? new Records(this.#parser.layout)
    records.rows = 0
    records.poolSize = 0
    return { ordinal, records, blocks: 0, skipped: {} }
  }

  #keep(group: Group): void {
    if (this.#groups === 1) this.#cache.set(this.#plan, { stamp: this.#file.stamp, group })
  }

  #blocksOf(ordinal: number): number {
    return Math.min(this.#perGroup, this.#blocks - ordinal * this.#perGroup)
  }

  #parseBlock(group: Group): void {
    const { start, end, blockBytes } = this.#plan
    const i = group.ordinal * this.#perGroup + group.blocks++
    const low = start + (this.#order ? this.#order[i]! : i) * blockBytes
    const text = this.#file.lines(low, Math.min(end, low + blockBytes))
    const parser = this.#parser
    for (let p = text.start; p < text.end; ) {
      const line = p
      p = parser.parse(text.bytes, p, group.records)
      if (parser.bad !== 0) this.#refuse(group, text.offset + line)
    }
  }

  #refuse(group: Group, at: number): void {
    const reason = badReason(this.#parser.bad)
    if (this.#plan.onBadLine === 'error') {
      const column = this.#plan.format.columns[this.#parser.badColumn]
      throw new DlrmError('ERR_DATA', `${this.#plan.path}:${this.#file.lineNumber(at)}: column ${column}: ${reason}`)
    }
    group.skipped[reason] = (group.skipped[reason] ?? 0) + 1
  }

  #addSkipped(group: Group): void {
    for (const [reason, n] of Object.entries(group.skipped)) this.skipped[reason] = (this.skipped[reason] ?? 0) + n
  }

  /** A split in which every line is malformed is a wrong path, delimiter or option rather than noise. */
  #complainOfNoRows(): void {
    const reasons = Object.entries(this.skipped).map(([reason, n]) => `${n} x ${reason}`)
    if (reasons.length > 0) {
      throw new DlrmError('ERR_DATA', `${this.#plan.path}: no line could be read: ${reasons.join(', ')}`)
    }
  }

  #position(): Position {
    const { epoch, seed, shuffle } = this.#options
    const atEnd = this.#row >= this.#rows.length
    const group = atEnd ? this.#current!.ordinal + 1 : this.#current!.ordinal
    return { ...identity(this.#plan), epoch, seed, shuffle: Number(shuffle), group, row: atEnd ? 0 : this.#row }
  }
}

/** What must be the same for a position to mean the same rows. */
function identity({ start, end, groupBytes, blockBytes }: TextPlan): Position {
  return { start, end, groupBytes, blockBytes }
}

function startOf(plan: TextPlan, { epoch, seed, shuffle, from }: PassOptions): { group: number; row: number } {
  if (from === undefined) return { group: 0, row: 0 }
  const wanted: Position = { ...identity(plan), epoch, seed, shuffle: Number(shuffle) }
  for (const [key, value] of Object.entries(wanted)) {
    if (from[key] !== value) {
      const was = `${key} was ${String(from[key])} and is now ${value}`
      throw new DlrmError('ERR_ARGUMENT', `from: not a position of this pass of ${plan.path}: ${was}`)
    }
  }
  const { group, row } = from
  if (!Number.isSafeInteger(group) || !Number.isSafeInteger(row) || (group as number) < 0 || (row as number) < 0) {
    throw new DlrmError('ERR_ARGUMENT', `from: group ${String(group)}, row ${String(row)} is not a position`)
  }
  return { group: group as number, row: row as number }
}

function ascending(n: number): Uint32Array {
  const out = new Uint32Array(n)
  for (let i = 0; i < n; i++) out[i] = i
  return out
}
