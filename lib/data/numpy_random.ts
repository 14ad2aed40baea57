import { DlrmError } from '../errors.js'

/** A generator's full state, as plain JSON. */
export interface RandomStateJson {
  /** The 624 words of the Mersenne Twister, little-endian, base64. */
  key: string
  /** Words of `key` already used, 0 to 624. */
  position: number
  /** The second value of the last pair of normals, when it is still to be returned. */
  gauss: number | null
}

const N = 624
const M = 397
const TO_DOUBLE = 1 / 9007199254740992

/**
 * NumPy's legacy generator (`numpy.random.RandomState`): MT19937, `init_genrand` seeding, 53-bit doubles.
 *
 * `random` and `uniform` give NumPy's numbers bit for bit. `normal` draws the same pairs by the same polar method, but its
 * `log` is JavaScript's, which may differ from a C library's in the last bit: equal to NumPy within 5e-16 relative, and the same number once rounded to float32.
 */
export class RandomState {
  readonly #key = new Int32Array(N)
  #position = N
  #gauss: number | null = null

  /** `seed`: an integer in [0, 2^32), as for `numpy.random.seed`. */
  constructor(seed = 0) {
    this.seed(seed)
  }

  /** Starts again from `seed`, as `numpy.random.seed(seed)` does. */
  seed(seed: number): void {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw new DlrmError('ERR_ARGUMENT', `seed: expected an integer in [0, 2^32), received ${String(seed)}`)
    }
    const key = this.#key
    key[0] = seed | 0
    for (let i = 1; i < N; i++) {
      const previous = key[i - 1]!
      key[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i
    }
    this.#position = N
    this.#gauss = null
  }

  /** `n` doubles in [0, 1). */
  random(n: number): Float64Array {
    return this.fillUniform(new Float64Array(size(n)), 0, 1)
  }

  /** The same as {@link random}: NumPy has both names. */
  rand(n: number): Float64Array {
    return this.random(n)
  }

  /** `n` doubles in [low, high). */
  uniform(low: number, high: number, n: number): Float64Array {
    return this.fillUniform(new Float64Array(size(n)), low, high)
  }

  /** `n` normal doubles of mean `mu` and standard deviation `sigma`. */
  normal(mu: number, sigma: number, n: number): Float64Array {
    return this.fillNormal(new Float64Array(size(n)), mu, sigma)
  }

  /** Fills `out` with uniform numbers (rounded when it is a Float32Array) and returns it. */
  fillUniform<T extends Float64Array | Float32Array>(out: T, low: number, high: number): T {
    const range = high - low
    const key = this.#key
    let position = this.#position
    for (let i = 0; i < out.length; i++) {
      if (position === N) {
        twist(key)
        position = 0
      }
      const a = temper(key[position++]!) >>> 5
      if (position === N) {
        twist(key)
        position = 0
      }
      const b = temper(key[position++]!) >>> 6
      out[i] = low + range * ((a * 67108864 + b) * TO_DOUBLE)
    }
    this.#position = position
    return out
  }

  /** Fills `out` with normal numbers (rounded when it is a Float32Array) and returns it. */
  fillNormal<T extends Float64Array | Float32Array>(out: T, mu: number, sigma: number): T {
    if (!(sigma >= 0)) {
      throw new DlrmError('ERR_ARGUMENT', `sigma: expected a number >= 0, received ${String(sigma)}`)
    }
    for (let i = 0; i < out.length; i++) out[i] = mu + sigma * this.#nextGauss()
    return out
  }

  /** The generator's next `n` words of 32 bits. */
  words(n: number): Uint32Array {
    const out = new Uint32Array(size(n))
    for (let i = 0; i < out.length; i++) {
      if (this.#position === N) {
        twist(this.#key)
        this.#position = 0
      }
      out[i] = temper(this.#key[this.#position++]!)
    }
    return out
  }

  /** Where the generator stands; `setState` goes on from there. */
  getState(): RandomStateJson {
    const bytes = Buffer.alloc(N * 4)
    for (let i = 0; i < N; i++) bytes.writeInt32LE(this.#key[i]!, i * 4)
    return { key: bytes.toString('base64'), position: this.#position, gauss: this.#gauss }
  }

  /** Goes on from a state that `getState` returned. */
  setState(state: RandomStateJson): void {
    const bytes = Buffer.from(String(state?.key), 'base64')
    const { position, gauss } = state ?? {}
    if (bytes.length !== N * 4 || !Number.isInteger(position) || position < 0 || position > N) {
      throw new DlrmError('ERR_ARGUMENT', 'state: not a state of this generator')
    }
    if (gauss !== null && !Number.isFinite(gauss)) {
      throw new DlrmError('ERR_ARGUMENT', `state.gauss: expected a number or null, received ${String(gauss)}`)
    }
    for (let i = 0; i < N; i++) this.#key[i] = bytes.readInt32LE(i * 4)
    this.#position = position
    this.#gauss = gauss
  }

  #nextDouble(): number {
    const a = this.#nextWord() >>> 5
    const b = this.#nextWord() >>> 6
    return (a * 67108864 + b) * TO_DOUBLE
  }

  #nextWord(): number {
    if (this.#position === N) {
      twist(this.#key)
      this.#position = 0
    }
    return temper(this.#key[this.#position++]!)
  }

  /** Marsaglia's polar method; the pair's first value is kept for the next call. */
  #nextGauss(): number {
    if (this.#gauss !== null) {
      const kept = this.#gauss
      this.#gauss = null
      return kept
    }
    let x1: number
    let x2: number
    let r2: number
    do {
      x1 = 2 * this.#nextDouble() - 1
      x2 = 2 * this.#nextDouble() - 1
      r2 = x1 * x1 + x2 * x2
    } while (r2 >= 1 || r2 === 0)
    const f = Math.sqrt((-2 * Math.log(r2)) / r2)
    this.#gauss = f * x1
    return f * x2
  }
}

function size(n: number): number {
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new DlrmError('ERR_ARGUMENT', `n: expected a number of draws, received ${String(n)}`)
  }
  return n
}

function twist(key: Int32Array): void {
  for (let i = 0; i < N - M; i++) key[i] = key[i + M]! ^ mixed(key[i]!, key[i + 1]!)
  for (let i = N - M; i < N - 1; i++) key[i] = key[i + M - N]! ^ mixed(key[i]!, key[i + 1]!)
  key[N - 1] = key[M - 1]! ^ mixed(key[N - 1]!, key[0]!)
}

function mixed(upper: number, lower: number): number {
  const y = (upper & 0x80000000) | (lower & 0x7fffffff)
  return (y >>> 1) ^ (-(lower & 1) & 0x9908b0df)
}

function temper(word: number): number {
  let y = word
  y ^= y >>> 11
  y ^= (y << 7) & 0x9d2c5680
  y ^= (y << 15) & 0xefc60000
  return y ^ (y >>> 18)
}
