import { DlrmError } from '../errors.js'
import { isBetter, type SteeringMetric } from './metrics.js'

/** Options of `reduceLrOnPlateau`. */
export interface PlateauOptions {
  /** Default: the metric of `earlyStopping`. */
  metric?: SteeringMetric
  /** What all learning rates are multiplied with, in (0, 1); default .1. */
  factor?: number
  /** Validations without a better metric until then, >= 1; default 1: after each. */
  patience?: number
  /** No learning rate falls below this (one that is lower stays); default 0. */
  minLr?: number
}

/**
 * Lowers the learning rates when the validation metric no longer improves, as torch.optim.lr_scheduler.ReduceLROnPlateau with
 * threshold 0 (whose patience counts one less). Errors: `ERR_ARGUMENT`.
 */
export class Plateau {
  readonly metric: SteeringMetric
  readonly minLr: number
  readonly #factor: number
  readonly #patience: number
  /** Plain JSON, for a checkpoint: the best value, validations since then or since the last reduction, the factor by now. */
  state: { best: number | null; since: number; scale: number } = { best: null, since: 0, scale: 1 }

  constructor({ metric = 'auc', factor = 0.1, patience = 1, minLr = 0 }: PlateauOptions) {
    const need = (ok: boolean, name: string, expected: string, received: unknown) => {
      if (ok) return
      throw new DlrmError(
        'ERR_ARGUMENT',
        `[fit] reduceLrOnPlateau.${name}: expected ${expected}, received ${String(received)}`,
      )
    }
    need(factor > 0 && factor < 1, 'factor', 'a number in (0, 1)', factor)
    need(Number.isSafeInteger(patience) && patience >= 1, 'patience', 'an integer >= 1', patience)
    need(Number.isFinite(minLr) && minLr >= 0, 'minLr', 'a number >= 0', minLr)
    this.metric = metric
    this.#factor = factor
    this.#patience = patience
    this.minLr = minLr
  }

  /** Starts over from the next validation, with the rates of now. */
  forget(): void {
    this.state = { ...this.state, best: null, since: 0 }
  }

  /** Counts one validation. */
  judge(value: number): void {
    const { best, since, scale } = this.state
    if (best === null || isBetter(this.metric, value, best)) this.state = { best: value, since: 0, scale }
    else if (since + 1 < this.#patience) this.state = { best, since: since + 1, scale }
    else this.state = { best, since: 0, scale: scale * this.#factor }
  }
}
