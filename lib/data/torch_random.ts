import type { RandomState } from './numpy_random.js'

/**
 * PyTorch's generator on the CPU, as far as the reference's initial parameters need it: the same Mersenne Twister as NumPy's,
 * so `state`, seeded alike, has its words. Tensors are float32.
 */
export class TorchRandom {
  readonly #state: RandomState
  /** A normal of a pair that is still to be returned. */
  #cached = false

  constructor(state: RandomState) {
    this.#state = state
  }

  /** `uniform_(low, high)`: 24 bits of a word each, in float32 arithmetic. */
  fillUniform(out: Float32Array, low: number, high: number): void {
    const from = Math.fround(low)
    const range = Math.fround(Math.fround(high) - from)
    const words = this.#state.words(out.length)
    for (let i = 0; i < out.length; i++)
      out[i] = Math.fround(Math.fround((words[i]! & 0xffffff) * 2 ** -24) * range) + from
  }

  /** Passes over `uniform_` of `n` numbers. */
  skipUniform(n: number): void {
    this.#state.words(n)
  }

  /**
   * Passes over `normal_` of `n` numbers: from 16 on a word each, and 16 more if the last 16 are not a group of their own; below
   * that pairs of doubles of two words each, of which the second normal is kept.
   */
  skipNormal(n: number): void {
    if (n >= 16) {
      this.#state.words(n % 16 === 0 ? n : n + 16)
      return
    }
    for (let i = 0; i < n; i++) {
      if (!this.#cached) this.#state.words(4)
      this.#cached = !this.#cached
    }
  }
}
