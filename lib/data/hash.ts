/** Value of each byte as a hexadecimal digit; 256 (outside the low 8 bits) for anything else. */
const HEX = new Int16Array(256).fill(256)
for (let i = 0; i < 16; i++) {
  HEX['0123456789abcdef'.charCodeAt(i)] = i
  HEX['0123456789ABCDEF'.charCodeAt(i)] = i
}

/** The 32-bit value of exactly 8 hexadecimal digits (Criteo's categories), else -1. */
export function hex8(bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== 8) return -1
  let value = 0
  let seen = 0
  for (let i = start; i < end; i++) {
    const digit = HEX[bytes[i]!]!
    seen |= digit
    value = (value << 4) | digit
  }
  return seen < 256 ? value >>> 0 : -1
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
