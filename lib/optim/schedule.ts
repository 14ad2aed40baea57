import { DlrmError } from '../errors.js'

/** A learning rate as a pure function of the step, so that a resumed run needs no state. */
export interface Schedule {
  /** The rate of the `step`-th update, counted from 1, of an optimizer whose own rate is `base`. */
  lr(base: number, step: number): number
  /** Plain JSON, as saved in a checkpoint. */
  toJSON(): ScheduleJSON
}

/** Options of {@link WarmupPolyDecay}. */
export interface WarmupPolyDecayOptions {
  /** Steps until the full rate, W; default 0. */
  warmupSteps?: number
  /** First step of the decay, D >= W; default 0. */
  decayStartStep?: number
  /** Length of the decay, N; default 0: no decay. */
  decaySteps?: number
}

/** A schedule as plain JSON. */
export interface ScheduleJSON extends Required<WarmupPolyDecayOptions> {
  name: 'warmup_poly_decay'
}

/**
 * The reference's LRPolicyScheduler. With t the step from 1:
 *
 * ```
 * t < W              base * (1 - (W - t) / W)                    warm-up; t = W would be the full rate
 * D <= t < D + N     max(1e-7, base * ((N - (t - D)) / N)^2)     decay, square
 * otherwise          N = 0: base;  N > 0: the rate of the last step of the phase before
 * ```
 *
 * So with a decay, the steps from W to D keep the last warm-up rate base (W - 1) / W, not base: the reference does so, and this matches it.
 * Where the reference dies for lack of a phase before (N > 0, W <= 1, t < D), the rate is base.
 * Errors: `ERR_ARGUMENT` for a count that is not an integer >= 0, and when the decay starts before the warm-up ends.
 */
export class WarmupPolyDecay implements Schedule {
  readonly warmupSteps: number
  readonly decayStartStep: number
  readonly decaySteps: number

  constructor(options: WarmupPolyDecayOptions) {
    this.warmupSteps = steps('warmupSteps', options.warmupSteps)
    this.decayStartStep = steps('decayStartStep', options.decayStartStep)
    this.decaySteps = steps('decaySteps', options.decaySteps)
    if (this.decayStartStep < this.warmupSteps) {
      const what = `decayStartStep: expected at least warmupSteps (${this.warmupSteps})`
      throw new DlrmError('ERR_ARGUMENT', `[schedule] ${what}, received ${this.decayStartStep}`)
    }
  }

  lr(base: number, step: number): number {
    const { warmupSteps: w, decayStartStep: d, decaySteps: n } = this
    const warm = (t: number) => base * (1 - (w - t) / w)
    if (step < w) return warm(step)
    if (n === 0) return base
    if (step < d) return w > 1 ? warm(w - 1) : base
    const left = (n - Math.min(step - d, n - 1)) / n
    return Math.max(1e-7, base * (left * left))
  }

  /** Plain JSON, as saved in a checkpoint. */
  toJSON(): ScheduleJSON {
    const { warmupSteps, decayStartStep, decaySteps } = this
    return { name: 'warmup_poly_decay', warmupSteps, decayStartStep, decaySteps }
  }
}

function steps(name: string, value: unknown = 0): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new DlrmError('ERR_ARGUMENT', `[schedule] ${name}: expected an integer >= 0, received ${value}`)
}

/** The inverse of `toJSON`. Errors: `ERR_FORMAT` for an unknown name, and as the constructor. */
export function scheduleFromJSON(json: ScheduleJSON): Schedule {
  if (json?.name !== 'warmup_poly_decay') {
    throw new DlrmError('ERR_FORMAT', `[schedule] unknown schedule ${JSON.stringify(json?.name)}`)
  }
  return new WarmupPolyDecay(json)
}
