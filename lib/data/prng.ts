import { finish } from './hash.js'

const TO_UNIT = 1 / 4294967296

/**
 * Small fast generator (C. Doty-Humphrey's sfc32) whose stream is chosen by any number of integers, so that block 7 of epoch 3
 * can be drawn without drawing what comes before it.
 */
export class Prng {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(...keys: number[]) {
    let h = 0x9e3779b9
    for (const key of keys) {
      h = finish(h ^ (key | 0))
      h = finish(h + Math.floor(key / 4294967296) + 0x7f4a7c15)
    }
    this.#a = h | 0
    this.#b = finish(h + 1) | 0
    this.#c = finish(h + 2) | 0
    for (let i = 0; i < 12; i++) this.next()
  }

  /** A 32-bit word, signed. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum
  }

  /** A number in [0, 1) with 32 random bits. */
  unit(): number {
    return (this.next() >>> 0) * TO_UNIT
  }

  /** A standard normal number (Box and Muller). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.unit()))
    return radius * Math.cos(2 * Math.PI * this.unit())
  }

  /** The numbers 0 to n-1 in random order (Fisher and Yates). */
  permutation(n: number): Uint32Array {
    const out = new Uint32Array(n)
    for (let i = 1; i < n; i++) {
      const j = Math.floor(this.unit() * (i + 1))
      out[i] = out[j]!
      out[j] = i
    }
    return out
  }
}
