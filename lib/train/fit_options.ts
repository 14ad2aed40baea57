import type { DataSet } from '../data/source.js'
import { DlrmError } from '../errors.js'
import type { Model } from '../models/model.js'
import { ParameterGroups } from '../optim/groups.js'
import { Optimizer } from '../optim/optimizer.js'
import type { Metrics, SteeringMetric } from './metrics.js'
import type { PlateauOptions } from './plateau.js'
import type { PruningOptions } from './pruning.js'

/** Options of {@link Model.fit}. */
export interface FitOptions {
  /** Examples per step. */
  batchSize: number
  /** One for all parameters, or one for each parameter group. */
  optimizer: Optimizer | ParameterGroups
  /** Passes over the training data; default 1. */
  epochs?: number
  /** Steps of an epoch at most; default all. */
  stepsPerEpoch?: number
  /** Shuffle the training data (default true); with `seed` (default 0) the order is the same in every run. */
  shuffle?: boolean
  seed?: number
  /** Validate each so many steps of an epoch, and at its end; default only at its end. Without `data.valid` never. */
  validEvery?: number
  /** Examples per validation batch; default `batchSize`. */
  validBatchSize?: number
  /** As in `compile`: the most that the norm of all gradients together may be; default 0: no clipping. */
  clipNorm?: number
  /**
   * Stop when the validation metric has not improved for `patience` validations, and return to the best parameters.
   * Default metric: auc, of models that predict numbers rmse.
   */
  earlyStopping?: { metric?: SteeringMetric; patience: number }
  /** Lower all learning rates when the validation metric has not improved; default: of `earlyStopping`. */
  reduceLrOnPlateau?: PlateauOptions
  /**
   * Prune the model on a schedule, and exactly to the target before this resolves. Once the schedule has reached its target,
   * each validation is preceded by a pruning, and only those validations count for early stopping. `reduceLrOnPlateau` judges the
   * warm-up, then those, not what the schedule does in between.
   */
  pruning?: PruningOptions
  /** Write a checkpoint each `every` steps to the folder `dir`, keep the last `keep` (default 3). */
  checkpoint?: {
    dir: string
    every: number
    keep?: number
    /** Told of a damaged or half-written checkpoint that was passed over. */
    onWarning?: (message: string) => void
  }
  /** Continue from the newest sound checkpoint in `checkpoint.dir`, if there is one, exactly as if never stopped. */
  resume?: boolean
  /** Called after each `progressEvery` (default 1) steps of an epoch, at its end, and after each validation. */
  onProgress?: (progress: Progress) => void
  progressEvery?: number
  /** Stops training after the running step, with a checkpoint if they are on; `fit` then resolves with what it has. */
  signal?: AbortSignal
}

/** What `onProgress` is told. */
export interface Progress {
  epoch: number
  /** Steps done in all, and in this epoch. */
  step: number
  stepInEpoch: number
  /** Mean training loss over the examples since the last report; with `valid`, as reported just before. */
  loss: number
  /** Time in training steps per step since the last report, ms. */
  millisecondsPerStep: number
  /** Seconds of training (validation and checkpoints not counted) and examples per second, so far in this call. */
  seconds: number
  samplesPerSecond: number
  /** What `reduceLrOnPlateau` multiplies the learning rates with by now. */
  rateScale: number
  /** Set when this reports a validation. */
  valid?: Metrics
}

/** What {@link Model.fit} resolves to. */
export interface FitResult {
  steps: number
  epochs: number
  /** Examples trained on and seconds spent training (validation and checkpoints not counted) in this call. */
  samples: number
  seconds: number
  samplesPerSecond: number
  history: { step: number; epoch: number; valid: Metrics }[]
  /** The best validation, with early stopping. */
  best?: { step: number; value: number }
  stoppedEarly: boolean
  /** Malformed rows that the source passed over in the last epoch. */
  skipped: number
}

/** Throws `ERR_ARGUMENT` and `ERR_SHAPE`. */
export function checkFitOptions(model: Model, data: DataSet, options: FitOptions): void {
  const bad = (name: string, expected: string, received: unknown) =>
    new DlrmError('ERR_ARGUMENT', `[fit] ${name}: expected ${expected}, received ${String(received)}`)
  const wholeNumbers = { batchSize: options.batchSize, epochs: options.epochs, stepsPerEpoch: options.stepsPerEpoch }
  const more = {
    validEvery: options.validEvery,
    validBatchSize: options.validBatchSize,
    progressEvery: options.progressEvery,
  }
  for (const [name, value] of Object.entries({ ...wholeNumbers, ...more, every: options.checkpoint?.every })) {
    const needed = name === 'batchSize' || (name === 'every' && options.checkpoint)
    if (value === undefined && !needed) continue
    if (!Number.isSafeInteger(value) || (value as number) < 1) throw bad(name, 'an integer >= 1', value)
  }
  if (!(options.optimizer instanceof Optimizer || options.optimizer instanceof ParameterGroups))
    throw bad('optimizer', 'an optimizer such as new Adagrad({ lr })', options.optimizer)
  for (const name of ['earlyStopping', 'reduceLrOnPlateau'] as const) {
    if (!options[name]) continue
    if (!data.valid) throw bad(name, 'a data set with a validation split', 'none')
    const { metric = 'auc' } = options[name]
    if (!['auc', 'logloss', 'rmse'].includes(metric)) throw bad(`${name}.metric`, 'auc, logloss or rmse', metric)
  }
  const { dense, rows } = model.inputs
  const { denseCount, tableSizes } = data.schema
  if (dense !== denseCount) {
    throw new DlrmError('ERR_SHAPE', `[fit] the model takes D = ${dense} dense features, the data has ${denseCount}`)
  }
  if (rows.length !== tableSizes.length || rows.some((r, t) => tableSizes[t]! > r)) {
    throw new DlrmError(
      'ERR_SHAPE',
      `[fit] the model's tables have [${rows}] rows, the data's columns need [${tableSizes}]`,
    )
  }
}
