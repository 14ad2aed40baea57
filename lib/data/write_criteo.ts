import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { DlrmError, ioError } from '../errors.js'
import { log1p } from './encode.js'
import { finish } from './hash.js'
import { numberIn, wholeNumber } from './options.js'
import { Prng } from './prng.js'
import { type Features, Teacher, type TeacherOptions, teacherAuc } from './teacher.js'
import { Zipf } from './zipf.js'

/** Options of {@link writeCriteo}. */
export interface WriteCriteoOptions extends TeacherOptions {
  rows: number
  /** Default 1. */
  seed?: number
  /** The split on whose examples the ceiling is measured: the one `openCriteo` makes with the same number. Default 0.1. */
  validFraction?: number
}

/** What {@link writeCriteo} wrote. */
export interface WrittenCriteo {
  rows: number
  bytes: number
  /** Share of clicks. */
  clickRate: number
  /** AUC of the true probabilities on the validation split: what a perfect model would reach there. */
  teacherAuc: number
}

/** Different categories of C1 to C26, about as uneven as Criteo's but small enough to be learnt from 200,000 lines. */
const VOCABULARY = [
  50, 40, 200, 150, 25, 12, 250, 30, 3, 220, 120, 200, 100, 20, 150, 180, 10, 110, 60, 4, 180, 8, 14, 150, 20, 120,
]
/** Mean and deviation of log(x + 1), and share of missing values, of I1 to I13: rounded from the first lines of Criteo's file. */
const INTEGERS = [
  [1.0, 1.1, 0.44],
  [2.0, 2.0, 0],
  [1.8, 1.4, 0.23],
  [1.7, 0.9, 0.22],
  [7.5, 2.3, 0.03],
  [3.9, 1.6, 0.24],
  [1.9, 1.4, 0.05],
  [2.2, 1.0, 0],
  [4.0, 1.3, 0.05],
  [0.4, 0.4, 0.44],
  [1.0, 0.8, 0.05],
  [0.2, 0.5, 0.76],
  [1.7, 0.9, 0.22],
] as const
const EXPONENT = 1.2
/** Columns whose category is often absent, and how often. */
const ABSENT: Readonly<Record<number, number>> = { 18: 0.44, 19: 0.44, 21: 0.76, 24: 0.44, 25: 0.44, 2: 0.03, 11: 0.03 }
const LINES_PER_WRITE = 2000

/**
 * Writes lines as Criteo's train.txt has them, of random features whose labels a planted teacher draws: 13 integers (some missing,
 * a few -1), 26 categories of 8 hexadecimal digits with Zipf frequencies (some missing). The same options give the same file.
 * It is written beside `path` and renamed when complete. Throws `ERR_IO`.
 */
export function writeCriteo(path: string, options: WriteCriteoOptions): WrittenCriteo {
  const rows = wholeNumber('rows', options.rows, 10)
  const seed = wholeNumber('seed', options.seed ?? 1, 0)
  const validFraction = numberIn('validFraction', options.validFraction ?? 0.1, 0.001, 0.999)
  numberIn('auc', options.auc ?? 0.83, 0.51, 0.99)
  numberIn('clickRate', options.clickRate ?? 0.25, 0.001, 0.999)
  const maker = new LineMaker(seed, options)
  const probabilities = new Float64Array(rows)
  const labels = new Uint8Array(rows)
  const starts = new Float64Array(rows)
  let bytes = 0
  writeWhole(path, write => {
    for (let row = 0; row < rows; ) {
      for (const end = Math.min(row + LINES_PER_WRITE, rows); row < end; row++) {
        starts[row] = bytes + maker.length
        const { label, p } = maker.next()
        probabilities[row] = p
        labels[row] = label
      }
      bytes += maker.length
      write(maker.take())
    }
  })
  const cut = bytes - Math.floor(bytes * validFraction)
  const first = starts.findIndex(start => start >= cut)
  const clicks = labels.reduce((sum, label) => sum + label, 0)
  return {
    rows,
    bytes,
    clickRate: clicks / rows,
    teacherAuc: first < 0 ? NaN : teacherAuc(probabilities.subarray(first), labels.subarray(first)),
  }
}

const LONGEST_LINE = 512
const TAB = 9
const LINE_FEED = 10
const ZERO = 48
const MINUS = 45

/** Draws lines one after another, as bytes. */
class LineMaker {
  /** Bytes of the lines made since `take`. */
  length = 0
  readonly #bytes = Buffer.alloc(LINES_PER_WRITE * LONGEST_LINE)
  readonly #random: Prng
  readonly #teacher: Teacher
  readonly #zipf = VOCABULARY.map(n => new Zipf(n, EXPONENT))
  /** Per column, 8 digits for each category. */
  readonly #names: Buffer[]
  /** The numbers of the line; NaN is missing. */
  readonly #integers = new Float64Array(INTEGERS.length)
  readonly #features: Features = {
    dense: new Float32Array(INTEGERS.length),
    indices: new Int32Array(VOCABULARY.length),
    offsets: Int32Array.from({ length: VOCABULARY.length + 1 }, (_, t) => t),
  }

  constructor(seed: number, options: TeacherOptions) {
    // `finish` is a bijection: the categories of a column are different.
    const name = (t: number, i: number): string =>
      finish((t << 16) + i + 1)
        .toString(16)
        .padStart(8, '0')
    this.#names = VOCABULARY.map((n, t) => Buffer.from(Array.from({ length: n }, (_, i) => name(t, i)).join('')))
    const sampler = new Prng(seed, 1)
    const sizes = VOCABULARY.map(n => n + 1)
    this.#teacher = new Teacher(sizes, INTEGERS.length, seed, () => this.#draw(sampler), options)
    this.#random = new Prng(seed, 2)
  }

  /** Appends a line. */
  next(): { label: number; p: number } {
    const { indices } = this.#draw(this.#random)
    const p = this.#teacher.probability(this.#features)
    const label = this.#random.unit() < p ? 1 : 0
    const bytes = this.#bytes
    let at = this.length
    bytes[at++] = ZERO + label
    for (const integer of this.#integers) {
      bytes[at++] = TAB
      if (!Number.isNaN(integer)) at = putInteger(bytes, at, integer)
    }
    for (let t = 0; t < indices.length; t++) {
      bytes[at++] = TAB
      if (indices[t] === VOCABULARY[t]) continue
      const names = this.#names[t]!
      const name = indices[t]! * 8
      for (let i = name; i < name + 8; i++) bytes[at++] = names[i]!
    }
    bytes[at++] = LINE_FEED
    this.length = at
    return { label, p }
  }

  /** The lines made since the last call; valid until the next line. */
  take(): Buffer {
    const lines = this.#bytes.subarray(0, this.length)
    this.length = 0
    return lines
  }

  /** The teacher sees the numbers as the model will, in units of their deviation; a missing category is one more category. */
  #draw(random: Prng): Features {
    const { dense, indices } = this.#features
    INTEGERS.forEach(([mean, sigma, missing], d) => {
      const x = Math.round(Math.expm1(mean + sigma * random.normal()))
      const absent = random.unit() < missing
      this.#integers[d] = absent ? NaN : d === 1 && x < 0 ? -1 : Math.max(0, x)
      dense[d] = (absent ? 0 : log1p(x)) / sigma
    })
    for (let t = 0; t < indices.length; t++) {
      const drawn = this.#zipf[t]!.draw(random)
      const absent = ABSENT[t]
      indices[t] = absent !== undefined && random.unit() < absent ? VOCABULARY[t]! : drawn
    }
    return this.#features
  }
}

/** Writes an integer's digits at `at` and returns where they end. */
function putInteger(bytes: Buffer, at: number, integer: number): number {
  let rest = Math.abs(integer)
  let end = at + (integer < 0 ? 1 : 0)
  if (integer < 0) bytes[at] = MINUS
  for (let power = 10; power <= rest; power *= 10) end++
  for (let i = end; i === end || rest > 0; i--) {
    bytes[i] = ZERO + (rest % 10)
    rest = Math.floor(rest / 10)
  }
  return end + 1
}

/** Gives `fill` a function that appends to a new file, which takes its name when it is complete and on the disk. */
function writeWhole(path: string, fill: (write: (bytes: Buffer) => void) => void): void {
  if (typeof path !== 'string' || path === '') throw new DlrmError('ERR_ARGUMENT', 'path: expected a file name')
  const temporary = `${path}.${process.pid}.tmp`
  let fd: number | undefined
  try {
    const open = openSync(temporary, 'w')
    fd = open
    fill(bytes => {
      for (let done = 0; done < bytes.length; ) done += writeSync(open, bytes, done)
    })
    fsyncSync(fd)
    closeSync(fd)
    fd = undefined
    renameSync(temporary, path)
  } catch (error) {
    if (fd !== undefined) closeSync(fd)
    rmSync(temporary, { force: true })
    throw error instanceof DlrmError ? error : ioError(`cannot write ${path}`, error)
  }
}
