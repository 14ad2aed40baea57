import { DlrmError } from '../errors.js'

/** Quality of predictions against labels. `null` where the figure is not defined for this data. */
export interface Metrics {
  /** Examples seen. */
  samples: number
  /** Area under the ROC curve, exact, ties counted half. Null with labels of one class only, or labels other than 0 and 1. */
  auc: number | null
  /** Mean of -(y ln p + (1 - y) ln(1 - p)), in nats. Null where predictions are numbers, not probabilities. */
  logloss: number | null
  /** Logloss over the entropy of the mean label: below 1 is better than predicting the mean (He et al. 2014, eq. 1). Null with one class only, or without logloss. */
  normalizedEntropy: number | null
  /** Share of examples with (p > .5) = y. Null with labels other than 0 and 1, or without logloss. */
  accuracy: number | null
  /** Mean prediction over mean label, 1 is perfect (He et al. 2014, section 3). Null when the labels add up to 0 or less. */
  calibration: number | null
  /** Mean squared error, and its root. */
  mse: number
  rmse: number
}

/** What a run can be steered by: see {@link FitOptions}. */
export type SteeringMetric = 'auc' | 'logloss' | 'rmse'

/** Whether a metric's value is better than the best so far. */
export function isBetter(metric: SteeringMetric, value: number, best: number): boolean {
  return metric === 'auc' ? value > best : value < best
}

/**
 * A float32 cannot tell apart probabilities closer to 1 than about this, so p = 1 only says "beyond the resolution".
 * The same clamp as scikit-learn's for float32 predictions; PyTorch's BCELoss bounds ln p at -100 instead.
 */
const EPS = 2 ** -23

/**
 * Collects predictions batch by batch; `result` can be asked for at any time.
 * Keeps 4 bytes per example, since the exact AUC needs every prediction.
 */
export class MetricsAccumulator {
  #positives = new Floats()
  #negatives = new Floats()
  #samples = 0
  #binary = true
  #correct = 0
  #labels = 0
  #predictions = 0
  #logloss = 0
  #squares = 0
  readonly #numbers: boolean

  /** `predicts`: what a model predicts, see `model.predicts`; default probabilities. */
  constructor(predicts: 'probability' | 'number' = 'probability') {
    this.#numbers = predicts === 'number'
  }

  /**
   * `predictions` [B] probabilities and `labels` [B] in [0, 1], or both any numbers.
   * Errors: `ERR_SHAPE` for unequal lengths; `ERR_VALUE` for a prediction or label that is not finite, or a label outside [0, 1];
   * after an error nothing of the batch counts.
   */
  add(predictions: Float32Array, labels: Float32Array): void {
    if (predictions.length !== labels.length) {
      const what = `expected as many labels as predictions (${predictions.length}), received ${labels.length}`
      throw new DlrmError('ERR_SHAPE', `[metrics] ${what}`)
    }
    for (let i = 0; i < predictions.length; i++) {
      if (!Number.isFinite(predictions[i])) throw bad('prediction', i, predictions[i], 'a finite number')
      if (this.#numbers && !Number.isFinite(labels[i])) throw bad('label', i, labels[i], 'a finite number')
      if (!this.#numbers && !(labels[i] >= 0 && labels[i] <= 1)) throw bad('label', i, labels[i], 'a number in [0, 1]')
    }
    for (let i = 0; i < predictions.length; i++) this.#addOne(predictions[i], labels[i])
    this.#samples += predictions.length
  }

  /** Errors: `ERR_STATE` before the first example. */
  result(): Metrics {
    const n = this.#samples
    if (n === 0) throw new DlrmError('ERR_STATE', '[metrics] no examples to judge')
    const mean = this.#labels / n
    const entropy = this.#numbers ? 0 : -(xlogx(mean) + xlogx(1 - mean))
    const mse = this.#squares / n
    return {
      samples: n,
      auc: this.#binary ? aucOf(this.#positives.sorted(), this.#negatives.sorted()) : null,
      logloss: this.#numbers ? null : this.#logloss / n,
      normalizedEntropy: entropy > 0 ? this.#logloss / n / entropy : null,
      accuracy: this.#binary && !this.#numbers ? this.#correct / n : null,
      calibration: this.#labels > 0 ? this.#predictions / this.#labels : null,
      mse,
      rmse: Math.sqrt(mse),
    }
  }

  #addOne(p: number, y: number): void {
    if (y === 1) this.#positives.push(p)
    else if (y === 0) this.#negatives.push(p)
    else this.#binary = false
    if (p > 0.5 === (y === 1)) this.#correct++
    this.#labels += y
    this.#predictions += p
    this.#squares += (p - y) ** 2
    if (this.#numbers) return
    const inside = Math.min(Math.max(p, EPS), 1 - EPS)
    this.#logloss -= y * Math.log(inside) + (1 - y) * Math.log1p(-inside)
  }
}

/** Area under the ROC curve of `predictions` for `labels` 0 and 1, exact, ties counted half; null with one class only. Errors as `MetricsAccumulator`. */
export function auc(predictions: Float32Array, labels: Float32Array): number | null {
  const all = new MetricsAccumulator()
  all.add(predictions, labels)
  return all.result().auc
}

const xlogx = (x: number) => (x > 0 ? x * Math.log(x) : 0)

function bad(what: string, at: number, received: number, expected: string): DlrmError {
  return new DlrmError('ERR_VALUE', `[metrics] ${what} ${at}: expected ${expected}, received ${received}`)
}

/** Mann-Whitney: the share of (positive, negative) pairs in the right order. Both ascending. Sums stay below 2^53, so it is exact up to the division. */
function aucOf(positives: Float32Array, negatives: Float32Array): number | null {
  if (positives.length === 0 || negatives.length === 0) return null
  let below = 0
  let upTo = 0
  let halves = 0
  for (const p of positives) {
    while (below < negatives.length && negatives[below] < p) below++
    while (upTo < negatives.length && negatives[upTo] <= p) upTo++
    halves += below + upTo
  }
  return halves / 2 / positives.length / negatives.length
}

/** A growing Float32Array. */
class Floats {
  #data = new Float32Array(1024)
  #length = 0

  push(x: number): void {
    if (this.#length === this.#data.length) {
      const grown = new Float32Array(2 * this.#length)
      grown.set(this.#data)
      this.#data = grown
    }
    this.#data[this.#length++] = x
  }

  /** Sorts in place: the order in which examples came matters to nobody. */
  sorted(): Float32Array {
    return this.#data.subarray(0, this.#length).sort()
  }
}
