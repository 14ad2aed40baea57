import { DlrmError } from '../errors.js'
import { numberIn, tableSizes, wholeNumber } from './options.js'
import { Prng } from './prng.js'
import { Layout, packBatch, Records, type Span, unpackBatch } from './records.js'
import { Schema } from './schema.js'
import type { BatchOptions, DataSet, DataSource, Located } from './source.js'
import { type Features, Teacher, type TeacherOptions, teacherAuc } from './teacher.js'
import { Zipf } from './zipf.js'

/** Options of {@link zipfData}. */
export interface ZipfOptions extends TeacherOptions {
  /** R of each table. */
  tables: readonly number[]
  /** Dense features, standard normal. */
  dense: number
  /** Examples of the training split. */
  rows: number
  /** Examples of the other splits (default a tenth of `rows` each). */
  validRows?: number
  testRows?: number
  /** Index i of a table comes with probability proportional to 1 / (i + 1)^exponent; default 1.05. 0: uniform. */
  exponent?: number
  /** Indices per lookup, of every table or of each (default 1). */
  indicesPerLookup?: number | readonly number[]
  seed?: number
}

export interface ZipfDataSet extends DataSet {
  readonly valid: DataSource
  readonly test: DataSource
  readonly teacher: Teacher
  /** The AUC of the true probabilities on a split: what a perfect model would reach on these labels. */
  ceiling(split: 'train' | 'valid' | 'test'): number
}

/** Rows that are drawn together, from a stream of their own: any of them can be reached without drawing those before. */
const BLOCK = 4096
const SPLITS = { train: 1, valid: 2, test: 3 } as const

/** Random data whose labels are drawn from a planted teacher, with indices of Zipf frequencies. Nothing is stored. */
export function zipfData(options: ZipfOptions): ZipfDataSet {
  const rows = wholeNumber('rows', options.rows, 1)
  const tenth = Math.max(1, Math.floor(rows / 10))
  const sizes = {
    train: rows,
    valid: wholeNumber('validRows', options.validRows ?? tenth, 1),
    test: wholeNumber('testRows', options.testRows ?? tenth, 1),
  }
  const maker = new RowMaker(options)
  const { schema, teacher } = maker
  const source = (name: keyof typeof SPLITS): ZipfSource => new ZipfSource(name, maker, sizes[name])
  return {
    schema,
    teacher,
    train: source('train'),
    valid: source('valid'),
    test: source('test'),
    ceiling: split => maker.ceiling(SPLITS[split], sizes[split]),
    close: async () => {},
  }
}

class RowMaker {
  readonly schema: Schema
  readonly teacher: Teacher
  readonly #seed: number
  readonly #zipf: Zipf[]
  readonly #features: Features

  constructor(options: ZipfOptions) {
    const { dense, indicesPerLookup = 1, exponent = 1.05, seed = 1 } = options
    const tables = tableSizes('tables', options.tables)
    const counts = tables.map((_, t) => {
      const count = typeof indicesPerLookup === 'number' ? indicesPerLookup : indicesPerLookup[t]
      return wholeNumber('indicesPerLookup', count, 1, 1 << 16)
    })
    numberIn('exponent', exponent, 0, 10)
    numberIn('auc', options.auc ?? 0.83, 0.51, 0.99)
    numberIn('clickRate', options.clickRate ?? 0.25, 0.001, 0.999)
    this.#seed = wholeNumber('seed', seed, 0)
    this.schema = new Schema({
      label: 'label',
      dense: Array.from({ length: wholeNumber('dense', dense, 0, 1 << 20) }, (_, d) => ({
        name: `dense_${d}`,
        transform: 'identity',
      })),
      categorical: tables.map((size, t) => {
        return { name: `table_${t}`, encode: 'id', size, ...(counts[t]! > 1 ? { separator: '|' } : {}) }
      }),
    })
    this.#zipf = tables.map(size => new Zipf(size, exponent))
    const offsets = new Int32Array(tables.length + 1)
    for (let t = 0; t < tables.length; t++) offsets[t + 1] = offsets[t]! + counts[t]!
    this.#features = { dense: new Float32Array(dense), indices: new Int32Array(offsets[tables.length]!), offsets }
    const random = new Prng(seed, 0)
    this.teacher = new Teacher(tables, dense, seed, () => this.#draw(random), options)
  }

  /** The next row's features; the same object each time. */
  #draw(random: Prng): Features {
    const { dense, indices, offsets } = this.#features
    for (let d = 0; d < dense.length; d++) dense[d] = random.normal()
    for (let t = 0; t < this.#zipf.length; t++) {
      for (let i = offsets[t]!; i < offsets[t + 1]!; i++) indices[i] = this.#zipf[t]!.draw(random)
    }
    return this.#features
  }

  /** Rows of one block of a split, in order; `visit` gets each one's features, label and true probability. */
  #each(
    split: number,
    block: number,
    rows: number,
    visit: (features: Features, label: number, p: number) => void,
  ): void {
    const random = new Prng(this.#seed, split, block)
    for (let i = 0; i < rows; i++) {
      const features = this.#draw(random)
      const p = this.teacher.probability(features)
      visit(features, random.unit() < p ? 1 : 0, p)
    }
  }

  block(layout: Layout, split: number, block: number, rows: number): Records {
    const records = new Records(layout, rows)
    this.#each(split, block, rows, ({ dense, indices, offsets }, label) => {
      const base = records.reserve()
      records.floats[base] = label
      records.floats.set(dense, base + 1)
      for (let t = 0; t < layout.tables; t++) {
        const word = base + layout.word[t]!
        records.words[word] = layout.multi[t] ? records.poolSize : indices[offsets[t]!]!
        if (!layout.multi[t]) continue
        records.words[word + 1] = offsets[t + 1]! - offsets[t]!
        for (let i = offsets[t]!; i < offsets[t + 1]!; i++) records.pushIndex(indices[i]!)
      }
      records.rows++
    })
    return records
  }

  ceiling(split: number, size: number): number {
    const probabilities = new Float64Array(size)
    const labels = new Uint8Array(size)
    let n = 0
    for (let block = 0; n < size; block++) {
      this.#each(split, block, Math.min(BLOCK, size - n), (_, label, p) => {
        probabilities[n] = p
        labels[n++] = label
      })
    }
    return teacherAuc(probabilities, labels)
  }
}

class ZipfSource implements DataSource {
  readonly name: keyof typeof SPLITS
  readonly size: number
  readonly #maker: RowMaker
  readonly #layout: Layout

  constructor(name: keyof typeof SPLITS, maker: RowMaker, size: number) {
    this.name = name
    this.size = size
    this.#maker = maker
    this.#layout = new Layout(maker.schema)
  }

  /** Shuffled, blocks come in random order and rows of a block too. */
  async *batches({ batchSize, epoch = 0, seed = 0, shuffle = false, from }: BatchOptions): AsyncGenerator<Located> {
    wholeNumber('batchSize', batchSize, 1, 0x7fffffff)
    const blocks = Math.ceil(this.size / BLOCK)
    const order = shuffle ? new Prng(seed, epoch, 0).permutation(blocks) : undefined
    const pass = { size: this.size, epoch, seed, shuffle: Number(shuffle) }
    let { ordinal, row } = startOf(from, pass)
    let records: Records | undefined
    let rows: Uint32Array = new Uint32Array(0)
    for (;;) {
      const spans: Span[] = []
      let wanted = batchSize
      while (wanted > 0 && ordinal < blocks) {
        if (!records) {
          const block = order ? order[ordinal]! : ordinal
          records = this.#maker.block(
            this.#layout,
            SPLITS[this.name],
            block,
            Math.min(BLOCK, this.size - block * BLOCK),
          )
          rows = shuffle
            ? new Prng(seed, epoch, 1, block).permutation(records.rows)
            : Uint32Array.from({ length: records.rows }, (_, i) => i)
        }
        const taken = rows.subarray(row, row + wanted)
        spans.push({ records, rows: taken })
        wanted -= taken.length
        row += taken.length
        if (row >= rows.length) {
          records = undefined
          ordinal++
          row = 0
        }
      }
      if (spans.length === 0) return
      const next = { ...pass, ordinal, row }
      yield { batch: unpackBatch(this.#layout, packBatch(this.#layout, spans, next)), next }
    }
  }
}

function startOf(from: BatchOptions['from'], pass: Record<string, number>): { ordinal: number; row: number } {
  if (from === undefined) return { ordinal: 0, row: 0 }
  for (const [key, value] of Object.entries(pass)) {
    if (from[key] === value) continue
    const was = `${key} was ${String(from[key])} and is now ${value}`
    throw new DlrmError('ERR_ARGUMENT', `from: not a position of this pass: ${was}`)
  }
  return { ordinal: wholeNumber('from.ordinal', from.ordinal, 0), row: wholeNumber('from.row', from.row, 0) }
}
