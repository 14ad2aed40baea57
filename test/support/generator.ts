/** The golden files' random numbers, mulberry32: the same few lines as in ../golden/generator.py. */
export class Generator {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Uniform in [0, 2^32). */
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    const a = this.#state
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }

  /** [n] in [0, 1), multiples of 2^-24. */
  unit(n: number): Float32Array {
    return new Float32Array(n).map(() => (this.u32() >>> 8) * 2 ** -24)
  }

  /** [n] in [-scale, scale); one rounding to float32, at the end. */
  symmetric(n: number, scale: number): Float32Array {
    const s = Math.fround(scale)
    return this.unit(n).map(u => (2 * u - 1) * s)
  }

  /** [n] integers in [0, bound). */
  below(n: number, bound: number): Int32Array {
    return Int32Array.from(this.unit(n), u => Math.floor(u * bound))
  }
}
