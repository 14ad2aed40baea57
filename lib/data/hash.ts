/** Value of each byte as a lower-case hexadecimal digit; -1, whose sign survives shifts and ors, for anything else. */
const LOWER = new Int32Array(256).fill(-1)
/** The same, with upper case. */
const EITHER = new Int32Array(256).fill(-1)
for (let i = 0; i < 16; i++) {
  LOWER['0123456789abcdef'.charCodeAt(i)] = i
  EITHER['0123456789abcdef'.charCodeAt(i)] = i
  EITHER['0123456789ABCDEF'.charCodeAt(i)] = i
}

/** The unsigned value of the 8 hexadecimal digits at `p` (Criteo's categories), in lower case alone, else -1. */
export function hexAt(bytes: Uint8Array, p: number): number {
  return digits(LOWER, bytes, p)
}

/** The unsigned value of exactly 8 hexadecimal digits in either case, else -1. */
export function hex8(bytes: Uint8Array, start: number, end: number): number {
  return end - start === 8 ? digits(EITHER, bytes, start) : -1
}

function digits(value: Int32Array, bytes: Uint8Array, p: number): number {
  const a =
    (value[bytes[p]!]! << 12) | (value[bytes[p + 1]!]! << 8) | (value[bytes[p + 2]!]! << 4) | value[bytes[p + 3]!]!
  const b =
    (value[bytes[p + 4]!]! << 12) | (value[bytes[p + 5]!]! << 8) | (value[bytes[p + 6]!]! << 4) | value[bytes[p + 7]!]!
  return (a | b) >= 0 ? ((a << 16) | b) >>> 0 : -1
}

/** MurmurHash3 x86_32 of `bytes[start..end)` (A. Appleby 2011), as an unsigned 32-bit integer. */
export function murmur3(bytes: Uint8Array, start: number, end: number, seed = 0): number {
  let h = seed
  const whole = start + ((end - start) & ~3)
  let i = start
  for (; i < whole; i += 4) {
    h ^= scramble(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24))
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64
  }
  if (i < end) {
    let k = 0
    for (let shift = 0; i < end; i++, shift += 8) k |= bytes[i]! << shift
    h ^= scramble(k)
  }
  return finish(h ^ (end - start))
}

function scramble(word: number): number {
  const k = Math.imul(word, 0xcc9e2d51)
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593)
}

/** MurmurHash3's last step alone: a bijection of 32-bit words in which every input bit moves every output bit. */
export function finish(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The unsigned value of a 32-bit word modulo `size`; integer arithmetic as long as it fits, a float remainder is 5x slower. */
export function modulo(word: number, size: number): number {
  if (size >= 0x40000000) return (word >>> 0) % size
  const twice = 2 * ((word >>> 1) % size) + (word & 1)
  return twice < size ? twice : twice - size
}
