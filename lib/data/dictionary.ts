import { isUtf8 } from 'node:buffer'
import { murmur3 } from './hash.js'

/**
 * Maps byte strings to 0, 1, 2, ... in the order they were added. Compares whole strings, so two strings never share a number.
 * Bytes are kept in one buffer: an entry costs its length plus about 20 bytes.
 */
export class ByteDictionary {
  #slots = new Int32Array(64)
  #hashes = new Uint32Array(32)
  #ends = new Float64Array(33)
  #bytes = new Uint8Array(256)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The number of `bytes[start..end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#slots[this.#probe(murmur3(bytes, start, end), bytes, start, end)]! - 1
  }

  /** The number of `bytes[start..end)`, which is added if new. */
  add(bytes: Uint8Array, start: number, end: number): number {
    const hash = murmur3(bytes, start, end)
    const slot = this.#probe(hash, bytes, start, end)
    if (this.#slots[slot] !== 0) return this.#slots[slot]! - 1
    const from = this.#ends[this.#size]!
    const to = from + end - start
    if (to > this.#bytes.length) this.#bytes = grown(this.#bytes, new Uint8Array(Math.max(to, 2 * this.#bytes.length)))
    this.#bytes.set(bytes.subarray(start, end), from)
    this.#hashes[this.#size] = hash
    this.#ends[this.#size + 1] = to
    this.#slots[slot] = ++this.#size
    if (this.#size === this.#hashes.length) this.#rehash()
    return this.#size - 1
  }

  /** Entry `i` as text; undefined when its bytes are not UTF-8. */
  text(i: number): string | undefined {
    const entry = this.#bytes.subarray(this.#ends[i]!, this.#ends[i + 1]!)
    return isUtf8(entry) ? Buffer.from(entry.buffer, entry.byteOffset, entry.length).toString() : undefined
  }

  /** The slot that holds the string, or the free slot where it belongs. */
  #probe(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let i = hash & mask
    for (; slots[i] !== 0; i = (i + 1) & mask) {
      const entry = slots[i]! - 1
      if (this.#hashes[entry] === hash && this.#equals(entry, bytes, start, end)) break
    }
    return i
  }

  #equals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const own = this.#bytes
    let j = this.#ends[entry]!
    if (this.#ends[entry + 1]! - j !== end - start) return false
    for (let i = start; i < end; i++, j++) if (bytes[i] !== own[j]) return false
    return true
  }

  /** Twice the room; at most half of the slots are ever taken. */
  #rehash(): void {
    this.#hashes = grown(this.#hashes, new Uint32Array(2 * this.#size))
    this.#ends = grown(this.#ends, new Float64Array(2 * this.#size + 1))
    this.#slots = new Int32Array(4 * this.#size)
    const mask = this.#slots.length - 1
    for (let entry = 0; entry < this.#size; entry++) {
      let i = this.#hashes[entry]! & mask
      while (this.#slots[i] !== 0) i = (i + 1) & mask
      this.#slots[i] = entry + 1
    }
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
