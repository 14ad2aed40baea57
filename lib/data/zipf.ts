import type { Prng } from './prng.js'

/** Up to so many numbers a table of sums is faster than the powers of the general method. */
const TABLE = 1 << 16

/**
 * Draws 0 .. n-1 with probability proportional to 1 / (i + 1)^exponent, for large n in constant time and memory (rejection-inversion: Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS 6, 1996). Exponent 0 is the uniform distribution.
 */
export class Zipf {
  readonly #n: number
  readonly #exponent: number
  readonly #low: number
  readonly #high: number
  /** Below this distance to the integer nothing is rejected. */
  readonly #sure: number
  /** Probability of a number up to i. */
  readonly #sums: Float64Array | undefined

  constructor(n: number, exponent: number) {
    this.#n = n
    this.#exponent = exponent
    this.#low = this.#integral(1.5) - 1
    this.#high = this.#integral(n + 0.5)
    this.#sure = 2 - this.#inverse(this.#integral(2.5) - 2 ** -exponent)
    if (n > TABLE) return
    const sums = new Float64Array(n)
    for (let i = 0; i < n; i++) sums[i] = (i > 0 ? sums[i - 1]! : 0) + (i + 1) ** -exponent
    this.#sums = sums.map(sum => sum / sums[n - 1]!)
  }

  draw(random: Prng): number {
    if (this.#sums) return search(this.#sums, random.unit())
    for (;;) {
      const u = this.#high + random.unit() * (this.#low - this.#high)
      const x = this.#inverse(u)
      const k = Math.min(Math.max(Math.round(x), 1), this.#n)
      if (k - x <= this.#sure || u >= this.#integral(k + 0.5) - k ** -this.#exponent) return k - 1
    }
  }

  /** Integral of x^-exponent, from 1. */
  #integral(x: number): number {
    const e = 1 - this.#exponent
    return Math.abs(e) < 1e-9 ? Math.log(x) : (x ** e - 1) / e
  }

  #inverse(y: number): number {
    const e = 1 - this.#exponent
    return Math.abs(e) < 1e-9 ? Math.exp(y) : (1 + e * y) ** (1 / e)
  }
}

/** The first i with u < sums[i]. */
function search(sums: Float64Array, u: number): number {
  let low = 0
  let high = sums.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (u < sums[middle]!) high = middle
    else low = middle + 1
  }
  return low
}
