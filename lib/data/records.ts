import type { Bags, Batch } from './batch.js'
import type { Schema } from './schema.js'
import type { Position } from './source.js'

/**
 * Where an encoded row's words lie in {@link Records}: label, the dense features, then per table either one index or, when the
 * column is multi-valued, the start and the count of its indices in the pool, then the weight if the schema has one.
 */
export class Layout {
  readonly dense: number
  readonly tables: number
  /** Words of a row. */
  readonly width: number
  /** First word of each table. */
  readonly word: Int32Array
  readonly multi: readonly boolean[]
  /** The word of the example's weight; -1: none. */
  readonly weight: number

  constructor(schema: Schema) {
    this.dense = schema.denseCount
    this.tables = schema.categorical.length
    this.multi = schema.categorical.map(column => column.separator !== undefined)
    this.word = new Int32Array(this.tables)
    let word = 1 + this.dense
    for (let t = 0; t < this.tables; t++) {
      this.word[t] = word
      word += this.multi[t] ? 2 : 1
    }
    this.weight = schema.weight === undefined ? -1 : word++
    this.width = word
  }
}

/** Encoded rows, row-major, so that taking rows in random order touches few cache lines. */
export class Records {
  readonly layout: Layout
  rows = 0
  words: Int32Array
  /** The same memory as `words`. */
  floats: Float32Array
  /** Indices of multi-valued columns. */
  pool = new Int32Array(0)
  poolSize = 0

  constructor(layout: Layout, capacity = 64) {
    this.layout = layout
    this.words = new Int32Array(Math.max(1, capacity) * layout.width)
    this.floats = new Float32Array(this.words.buffer)
  }

  /** Makes room for one more row and returns its first word. The row counts once `rows` is raised. */
  reserve(): number {
    const base = this.rows * this.layout.width
    if (base + this.layout.width > this.words.length) {
      const more = new Int32Array(2 * this.words.length)
      more.set(this.words)
      this.words = more
      this.floats = new Float32Array(more.buffer)
    }
    return base
  }

  pushIndex(index: number): void {
    if (this.poolSize === this.pool.length) {
      const more = new Int32Array(Math.max(64, 2 * this.pool.length))
      more.set(this.pool)
      this.pool = more
    }
    this.pool[this.poolSize++] = index
  }
}

/** Some rows of some records, in order. */
export interface Span {
  records: Records
  rows: Uint32Array
}

/** A batch as it crosses from the reading thread: one buffer, moved and not copied. */
export interface PackedBatch {
  size: number
  /** dense [B,D] f32, labels [B] f32, weights [B] f32 if the schema has them, then per table indices [B] i32, or when multi-valued offsets [B+1] i32 and indices [L] i32. */
  buffer: ArrayBuffer
  /** L of each table. */
  counts: number[]
  next: Position
}

export function packBatch(layout: Layout, spans: readonly Span[], next: Position): PackedBatch {
  const size = spans.reduce((sum, span) => sum + span.rows.length, 0)
  const counts = layout.multi.map((multi, t) => (multi ? countIndices(spans, layout.word[t]! + 1) : size))
  const columns = layout.dense + 1 + Number(layout.weight >= 0)
  const words = counts.reduce((sum, n, t) => sum + n + (layout.multi[t] ? size + 1 : 0), size * columns)
  const buffer = new ArrayBuffer(words * 4)
  const ints = new Int32Array(buffer)
  const starts = new Int32Array(layout.tables)
  let at = size * columns
  for (let t = 0; t < layout.tables; t++) {
    starts[t] = at
    at += counts[t]! + (layout.multi[t] ? size + 1 : 0)
  }
  let b = 0
  for (const span of spans) {
    packSpan(layout, span, b, size, ints, starts)
    b += span.rows.length
  }
  return { size, buffer, counts, next }
}

/** Rows per tile: few enough to stay in the first-level cache while their columns are written one after another. */
const TILE = 64

function packSpan(
  layout: Layout,
  { records, rows }: Span,
  first: number,
  size: number,
  ints: Int32Array,
  starts: Int32Array,
): void {
  const { dense, tables, width, word, multi, weight } = layout
  const { words } = records
  const labels = size * dense
  for (let tile = 0; tile < rows.length; tile += TILE) {
    const end = Math.min(tile + TILE, rows.length)
    for (let i = tile; i < end; i++) {
      const b = first + i
      const base = rows[i]! * width
      ints[labels + b] = words[base]!
      for (let d = 0; d < dense; d++) ints[b * dense + d] = words[base + 1 + d]!
      if (weight >= 0) ints[labels + size + b] = words[base + weight]!
    }
    for (let t = 0; t < tables; t++) {
      const into = starts[t]! + first
      const at = word[t]!
      if (multi[t]) packBags(records, rows.subarray(tile, end), at, ints, into + tile, starts[t]! + size + 1)
      else for (let i = tile; i < end; i++) ints[into + i] = words[rows[i]! * width + at]!
    }
  }
}

/** `offset`: where the bags' first offset goes; `indices`: where the table's indices begin. */
function packBags(
  { words, pool, layout }: Records,
  rows: Uint32Array,
  word: number,
  ints: Int32Array,
  offset: number,
  indices: number,
): void {
  for (let i = 0; i < rows.length; i++) {
    const at = rows[i]! * layout.width + word
    const start = words[at]!
    const count = words[at + 1]!
    const sum = ints[offset + i]!
    for (let k = 0; k < count; k++) ints[indices + sum + k] = pool[start + k]!
    ints[offset + i + 1] = sum + count
  }
}

function countIndices(spans: readonly Span[], word: number): number {
  let count = 0
  for (const { records, rows } of spans) {
    const { words } = records
    const { width } = records.layout
    for (let i = 0; i < rows.length; i++) count += words[rows[i]! * width + word]!
  }
  return count
}

/** The batch in a packed buffer, as views of it. One-hot tables share their offsets. */
export function unpackBatch(layout: Layout, packed: PackedBatch): Batch {
  const { size, buffer, counts } = packed
  const denseWords = size * layout.dense
  let oneEach: Int32Array | undefined
  let at = denseWords + size * (1 + Number(layout.weight >= 0))
  const view = (words: number): Int32Array => {
    const ints = new Int32Array(buffer, at * 4, words)
    at += words
    return ints
  }
  const tables = counts.map((count, t): Bags => {
    if (layout.multi[t]) return { offsets: view(size + 1), indices: view(count) }
    oneEach ??= Int32Array.from({ length: size + 1 }, (_, b) => b)
    return { offsets: oneEach, indices: view(count) }
  })
  return {
    size,
    dense: new Float32Array(buffer, 0, denseWords),
    tables,
    labels: new Float32Array(buffer, denseWords * 4, size),
    ...(layout.weight >= 0 ? { weights: new Float32Array(buffer, (denseWords + size) * 4, size) } : {}),
  }
}
