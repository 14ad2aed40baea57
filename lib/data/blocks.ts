import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { DlrmError, ioError } from '../errors.js'

const LINE_FEED = 10
const EXTEND_BYTES = 16 * 1024
/** A line that goes on so far past its block is not a line of a data file. */
const LONGEST_LINE = 16 * 1024 * 1024

/** A file of lines, read a byte range at a time. Every failure is an `ERR_IO` that names the path. */
export class LineFile {
  readonly path: string
  readonly #fd: number
  /** What the file had when the data set was opened; it may grow but not shrink. */
  readonly #bytes: number
  readonly #first: number
  /** Changes when the file is written to. */
  readonly stamp: string
  #buffer = new Uint8Array(0)

  /** `first`: where the first line begins (after a header). */
  constructor(path: string, bytes: number, first: number) {
    this.path = path
    this.#bytes = bytes
    this.#first = first
    try {
      this.#fd = openSync(path, 'r')
    } catch (error) {
      throw ioError(`cannot open ${path}`, error)
    }
    const stat = fstatSync(this.#fd, { bigint: true })
    this.stamp = `${stat.ino}:${stat.size}:${stat.mtimeNs}`
    if (Number(stat.size) < bytes) {
      this.close()
      throw new DlrmError('ERR_IO', `${path} shrank: had ${bytes} bytes when it was opened, now ${stat.size}`)
    }
  }

  close(): void {
    closeSync(this.#fd)
  }

  /**
   * The lines that begin in [low, high), whole. `start` and `end` bound them in `bytes`, which stays valid until the next call and
   * always ends in a line feed; `offset` is the file position of `bytes[0]`.
   */
  lines(low: number, high: number): { bytes: Uint8Array; start: number; end: number; offset: number } {
    // The byte before tells whether a line begins at `low`.
    const offset = low === this.#first ? low : low - 1
    let length = high - offset
    this.#reserve(length + EXTEND_BYTES + 1)
    this.#read(offset, 0, length)
    let start = 0
    if (offset !== low) {
      start = this.#buffer.subarray(0, length).indexOf(LINE_FEED) + 1
      if (start === 0) start = length
    }
    while (start < length && this.#buffer[length - 1] !== LINE_FEED) {
      const more = Math.min(EXTEND_BYTES, this.#bytes - offset - length)
      if (more === 0) {
        this.#buffer[length++] = LINE_FEED
        break
      }
      if (length > high - offset + LONGEST_LINE) {
        throw new DlrmError(
          'ERR_DATA',
          `${this.path}: the line at byte ${offset + start} is longer than ${LONGEST_LINE} bytes`,
        )
      }
      this.#reserve(length + more + 1)
      this.#read(offset + length, length, more)
      const end = this.#buffer.subarray(length, length + more).indexOf(LINE_FEED)
      length += end < 0 ? more : end + 1
    }
    return { bytes: this.#buffer, start, end: length, offset }
  }

  /** The number of the line that begins at byte `at`, from 1. Reads the file up to there. */
  lineNumber(at: number): number {
    let lines = 1
    const step = 1 << 20
    this.#reserve(step)
    for (let from = 0; from < at; from += step) {
      const n = Math.min(step, at - from)
      this.#read(from, 0, n)
      const part = this.#buffer.subarray(0, n)
      for (let i = part.indexOf(LINE_FEED); i >= 0; i = part.indexOf(LINE_FEED, i + 1)) lines++
    }
    return lines
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return
    const more = new Uint8Array(Math.max(bytes, this.#buffer.length + (this.#buffer.length >> 1)))
    more.set(this.#buffer)
    this.#buffer = more
  }

  #read(position: number, into: number, count: number): void {
    for (let done = 0; done < count; ) {
      let n: number
      try {
        n = readSync(this.#fd, this.#buffer, into + done, count - done, position + done)
      } catch (error) {
        throw ioError(`cannot read ${this.path}`, error)
      }
      if (n === 0) {
        throw new DlrmError('ERR_IO', `${this.path} shrank while it was read: it ends at byte ${position + done}`)
      }
      done += n
    }
  }
}
