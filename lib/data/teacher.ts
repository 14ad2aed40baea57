import { finish } from './hash.js'
import { Prng } from './prng.js'

const FACTORS = 4
/** Tables that take part in pairs. */
const PAIRED = 12
/** Rows of larger tables share effects, so that the teacher stays small. */
const MOST_ROWS = 1 << 14
/** Shares of the score's variance: columns alone, numbers, pairs of columns. */
const SHARES = [0.6, 0.25, 0.15] as const
const CALIBRATION_ROWS = 8000

/** One example's features: table t has `indices[offsets[t]..offsets[t+1])`, averaged. */
export interface Features {
  dense: Float32Array
  indices: Int32Array
  offsets: Int32Array
}

/** Options of {@link Teacher}. */
export interface TeacherOptions {
  /** AUC that its own probabilities would reach (default 0.83). */
  auc?: number
  /** Mean probability (default 0.25). */
  clickRate?: number
}

/**
 * A planted model: probability = sigmoid(bias + scale * (linear effects of three quarters of the tables + linear effects of the
 * dense features + dot products of 4 factors for some pairs of tables)). Labels drawn from it have a known ceiling: no model
 * can be expected to rank better than the probabilities themselves.
 */
export class Teacher {
  readonly #linear: (Float32Array | undefined)[]
  readonly #factors: (Float32Array | undefined)[]
  readonly #pairs: [number, number][] = []
  readonly #slopes: Float32Array
  /** Multiplier of each of the three kinds of effects. */
  readonly #scales = [1, 1, 1]
  #bias = 0

  /** `sample` draws examples, to bring the score to the wanted AUC and click rate. */
  constructor(
    tables: readonly number[],
    dense: number,
    seed: number,
    sample: () => Features,
    options: TeacherOptions = {},
  ) {
    const random = new Prng(seed, 0x7eac)
    const order = random.permutation(tables.length)
    const normals = (n: number, sigma: number): Float32Array =>
      Float32Array.from({ length: n }, () => sigma * random.normal())
    const rows = tables.map(size => Math.min(size, MOST_ROWS))
    this.#linear = rows.map((n, t) =>
      tables.length < 4 || order[t]! % 4 !== 3 ? normals(n, 0.5 + random.unit()) : undefined,
    )
    // Pairs of small tables: each pair of rows comes often enough to be learnt.
    const small = [...order].sort((a, b) => tables[a]! - tables[b]!).slice(0, PAIRED)
    for (let k = 0; k + 1 < small.length; k += 2) this.#pairs.push([small[k]!, small[k + 1]!])
    const paired = new Set(this.#pairs.flat())
    this.#factors = rows.map((n, t) => (paired.has(t) ? normals(n * FACTORS, 1) : undefined))
    this.#slopes = normals(dense, 1)
    this.#calibrate(sample, options)
  }

  /** The true probability of a click. */
  probability(features: Features): number {
    return sigmoid(this.#bias + this.#score(features))
  }

  #score(features: Features): number {
    const parts = this.#parts(features)
    return parts.reduce((sum, part, i) => sum + part * this.#scales[i]!, 0)
  }

  #parts({ dense, indices, offsets }: Features): [number, number, number] {
    let linear = 0
    for (let t = 0; t < this.#linear.length; t++) {
      const effects = this.#linear[t]
      if (!effects) continue
      let sum = 0
      for (let i = offsets[t]!; i < offsets[t + 1]!; i++) sum += effects[rowOf(indices[i]!, effects.length)]!
      linear += sum / Math.max(1, offsets[t + 1]! - offsets[t]!)
    }
    let numeric = 0
    for (let d = 0; d < dense.length; d++) numeric += this.#slopes[d]! * dense[d]!
    let pairs = 0
    for (const [a, b] of this.#pairs) {
      for (let k = 0; k < FACTORS; k++) {
        pairs += mean(this.#factors[a]!, k, a, indices, offsets) * mean(this.#factors[b]!, k, b, indices, offsets)
      }
    }
    return [linear, numeric, pairs]
  }

  /** Gives each kind of effect its share, then finds the overall scale and the bias by bisection. */
  #calibrate(sample: () => Features, { auc = 0.83, clickRate = 0.25 }: TeacherOptions): void {
    const parts = Array.from({ length: CALIBRATION_ROWS }, () => this.#parts(sample()))
    SHARES.forEach((share, i) => {
      const sigma = deviation(parts.map(each => each[i]!))
      this.#scales[i] = sigma > 0 ? Math.sqrt(share) / sigma : 0
    })
    const scores = Float64Array.from(parts, each =>
      each.reduce((sum, part, i) => sum + part * this.#scales[i]!, 0),
    ).sort()
    const biasFor = (scale: number): number => bisect(-40, 40, bias => meanProbability(scores, scale, bias), clickRate)
    const scale = bisect(
      0.01,
      20,
      candidate => {
        const bias = biasFor(candidate)
        return expectedAuc(scores.map(score => sigmoid(bias + candidate * score)))
      },
      auc,
    )
    for (let i = 0; i < SHARES.length; i++) this.#scales[i]! *= scale
    this.#bias = biasFor(scale)
  }
}

/** The AUC of probabilities against the labels that came of them: the ceiling for any model of these examples. */
export function teacherAuc(probabilities: ArrayLike<number>, labels: ArrayLike<number>): number {
  const order = Uint32Array.from({ length: probabilities.length }, (_, i) => i)
  order.sort((a, b) => probabilities[a]! - probabilities[b]!)
  return rankAuc(
    order.length,
    i => probabilities[order[i]!]!,
    i => labels[order[i]!]!,
  )
}

/** The AUC to be expected when labels are drawn from `ascending` probabilities, and ranked by them. */
export function expectedAuc(ascending: ArrayLike<number>): number {
  return rankAuc(
    ascending.length,
    i => ascending[i]!,
    i => ascending[i]!,
  )
}

/** Share of the (positive, negative) pairs in order, ties half; example i in ascending order counts `positive(i)` as positive. */
function rankAuc(n: number, score: (i: number) => number, positive: (i: number) => number): number {
  let negatives = 0
  let positives = 0
  let ordered = 0
  for (let i = 0; i < n; ) {
    let tiedPositives = 0
    let tiedNegatives = 0
    const tied = score(i)
    for (; i < n && score(i) === tied; i++) {
      tiedPositives += positive(i)
      tiedNegatives += 1 - positive(i)
    }
    ordered += tiedPositives * (negatives + tiedNegatives / 2)
    positives += tiedPositives
    negatives += tiedNegatives
  }
  return ordered / (positives * negatives)
}

function mean(factors: Float32Array, k: number, t: number, indices: Int32Array, offsets: Int32Array): number {
  let sum = 0
  for (let i = offsets[t]!; i < offsets[t + 1]!; i++) {
    sum += factors[rowOf(indices[i]!, factors.length / FACTORS) * FACTORS + k]!
  }
  return sum / Math.max(1, offsets[t + 1]! - offsets[t]!)
}

function rowOf(index: number, rows: number): number {
  return index < rows ? index : finish(index) % rows
}

function deviation(values: number[]): number {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length)
}

function meanProbability(scores: Float64Array, scale: number, bias: number): number {
  let sum = 0
  for (let i = 0; i < scores.length; i++) sum += sigmoid(bias + scale * scores[i]!)
  return sum / scores.length
}

/** Where the increasing function `f` reaches `goal`. */
function bisect(low: number, high: number, f: (x: number) => number, goal: number): number {
  let [a, b] = [low, high]
  for (let i = 0; i < 20; i++) {
    const middle = (a + b) / 2
    if (f(middle) < goal) a = middle
    else b = middle
  }
  return (a + b) / 2
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x))
}
