import { isUtf8 } from 'node:buffer'
import { finish, hexAt, murmur3 } from './hash.js'

/**
 * Maps non-empty byte strings to 0, 1, 2, ... in the order they were added. Compares whole strings, so two strings never share a
 * number. An entry costs its length plus about 20 bytes; 8 lower-case hexadecimal digits are kept as their 32-bit value.
 */
export class ByteDictionary {
  /** Open-addressed: entry + 1, or 0. Strings and hexadecimal values have slots of their own. */
  #slots = new Int32Array(64)
  #hexSlots = new Int32Array(64)
  /** Hash of a string, or hexadecimal value; the latter has no bytes. */
  #keys = new Int32Array(32)
  #ends = new Float64Array(33)
  #bytes = new Uint8Array(256)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The number of `bytes[start..end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    const hex = end - start === 8 ? hexAt(bytes, start) : -1
    if (hex >= 0) return this.findHex(hex)
    return this.#slots[this.#probe(murmur3(bytes, start, end) | 0, bytes, start, end)]! - 1
  }

  /** The number of the 8 digits of an unsigned 32-bit value, or -1. */
  findHex(value: number): number {
    return this.#hexSlots[this.#probeHex(value | 0)]! - 1
  }

  /** The number of `bytes[start..end)`, which is added if new. */
  add(bytes: Uint8Array, start: number, end: number): number {
    const hex = end - start === 8 ? hexAt(bytes, start) : -1
    if (hex >= 0) return this.addHex(hex)
    const hash = murmur3(bytes, start, end) | 0
    const slot = this.#probe(hash, bytes, start, end)
    if (this.#slots[slot] !== 0) return this.#slots[slot]! - 1
    const from = this.#ends[this.#size]!
    const to = from + end - start
    if (to > this.#bytes.length) this.#bytes = grown(this.#bytes, new Uint8Array(Math.max(to, 2 * this.#bytes.length)))
    this.#bytes.set(bytes.subarray(start, end), from)
    return this.#append(this.#slots, slot, hash, to)
  }

  /** The number of the 8 digits of an unsigned 32-bit value, which are added if new. */
  addHex(value: number): number {
    const slot = this.#probeHex(value | 0)
    if (this.#hexSlots[slot] !== 0) return this.#hexSlots[slot]! - 1
    return this.#append(this.#hexSlots, slot, value | 0, this.#ends[this.#size]!)
  }

  /** Entry `i` as text; undefined when its bytes are not UTF-8. */
  text(i: number): string | undefined {
    if (this.#isHex(i)) return (this.#keys[i]! >>> 0).toString(16).padStart(8, '0')
    const entry = this.#bytes.subarray(this.#ends[i]!, this.#ends[i + 1]!)
    return isUtf8(entry) ? Buffer.from(entry.buffer, entry.byteOffset, entry.length).toString() : undefined
  }

  #isHex(entry: number): boolean {
    return this.#ends[entry] === this.#ends[entry + 1]
  }

  #append(slots: Int32Array, slot: number, key: number, end: number): number {
    this.#keys[this.#size] = key
    this.#ends[this.#size + 1] = end
    slots[slot] = ++this.#size
    if (this.#size === this.#keys.length) this.#rehash()
    return this.#size - 1
  }

  /** The slot that holds the string, or the free slot where it belongs. */
  #probe(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let i = hash & mask
    for (; slots[i] !== 0; i = (i + 1) & mask) {
      const entry = slots[i]! - 1
      if (this.#keys[entry] === hash && this.#equals(entry, bytes, start, end)) break
    }
    return i
  }

  #probeHex(value: number): number {
    const slots = this.#hexSlots
    const keys = this.#keys
    const mask = slots.length - 1
    let i = finish(value) & mask
    while (slots[i] !== 0 && keys[slots[i]! - 1] !== value) i = (i + 1) & mask
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
    const size = this.#size
    this.#keys = grown(this.#keys, new Int32Array(2 * size))
    this.#ends = grown(this.#ends, new Float64Array(2 * size + 1))
    this.#slots = new Int32Array(4 * size)
    this.#hexSlots = new Int32Array(4 * size)
    const mask = 4 * size - 1
    for (let entry = 0; entry < size; entry++) {
      const hex = this.#isHex(entry)
      const slots = hex ? this.#hexSlots : this.#slots
      let i = (hex ? finish(this.#keys[entry]!) : this.#keys[entry]!) & mask
      while (slots[i] !== 0) i = (i + 1) & mask
      slots[i] = entry + 1
    }
  }
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
