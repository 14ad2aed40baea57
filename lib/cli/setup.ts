/** What `train` and `compare` make of the same flags: a model, an optimizer, the options of fit, and what judges the result. */
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DataSource } from '../data/source.js'
import { ioError } from '../errors.js'
import { DLRM } from '../models/dlrm.js'
import type { Model } from '../models/model.js'
import type { PrunedParts } from '../models/prune.js'
import { evaluate } from '../train/evaluate.js'
import type { FitOptions, FitResult } from '../train/fit_options.js'
import type { Metrics } from '../train/metrics.js'
import { defined } from './defined.js'
import { chosenOptions, deviceOf, findModel, makeModel } from './models.js'
import type { RunData } from './open_data.js'
import { makeOptimizer } from './optimizer.js'
import { hasClicks, modelConfig, type TrainSettings } from './settings.js'
import { UsageError } from './usage.js'

/** A folder that is not there is told before hours of training, not after. Errors: `ERR_IO`. */
export async function checkFolder(flag: string, file: string): Promise<void> {
  await access(dirname(file), constants.W_OK).catch(cause => {
    throw ioError(`${flag}=${file}`, cause)
  })
}

/** Random data: the reference's parameters for this seed. Otherwise the native generator, which is parallel. */
export async function newModel(settings: TrainSettings, data: RunData): Promise<Model> {
  const { inputs } = data.schema
  const ModelClass = await findModel(settings.model ?? 'dlrm')
  if (ModelClass !== DLRM)
    return makeModel(ModelClass, settings, {
      ...inputs,
      seed: settings.seed,
      ...defined({ precision: settings.precision, tableDtype: settings.tableDtype }),
      ...deviceOf(settings),
    })
  const config = { ...modelConfig(settings, inputs), ...chosenOptions(DLRM, settings), ...deviceOf(settings) }
  if (hasClicks(settings.mode)) return new DLRM({ ...config, seed: settings.seed })
  const { RandomState } = await import('../data/numpy_random.js')
  const [random, torchRandom] = [new RandomState(settings.seed), new RandomState(settings.seed)]
  return new DLRM({ ...config, random, torchRandom })
}

/** --lr-plateau-*: on if any of them is given. */
function plateau(s: TrainSettings): FitOptions['reduceLrOnPlateau'] {
  const { lrPlateauFactor: factor, lrPlateauPatience: patience, lrPlateauMin: minLr, metric } = s
  const given = defined({ factor, patience, minLr })
  return Object.keys(given).length > 0 ? { ...given, ...defined({ metric }) } : undefined
}

/** --prune; `--prune=0` is off. */
function pruning(s: TrainSettings): FitOptions['pruning'] {
  const { prune, pruneWarmupEpochs: warmupEpochs, pruneEvery: every, pruneSpan: span } = s
  if (!prune) return undefined
  const target: number | PrunedParts = typeof prune === 'number' ? prune : Object.fromEntries(prune)
  return { target, ...defined({ warmupEpochs, every, span }) }
}

/** The options that the flags decide, with a new optimizer. */
export async function fitOptions(s: TrainSettings, model: Model): Promise<FitOptions> {
  const { earlyStopping: patience, metric } = s
  return {
    batchSize: s.miniBatchSize,
    optimizer: await makeOptimizer(s, model.groups),
    epochs: s.nepochs,
    ...defined({ stepsPerEpoch: s.numBatches || undefined, validEvery: s.testFreq || undefined }),
    shuffle: s.shuffle ?? hasClicks(s.mode),
    seed: s.seed,
    validBatchSize: s.testMiniBatchSize,
    ...(patience === undefined ? {} : { earlyStopping: { patience, ...defined({ metric }) } }),
    ...defined({ clipNorm: s.clipNorm, reduceLrOnPlateau: plateau(s), pruning: pruning(s) }),
  }
}

/** What is judged while training: made data has nothing to judge, unless asked. Errors: UsageError. */
export function validSource(settings: TrainSettings, data: RunData): DataSource | undefined {
  if (settings.earlyStopping !== undefined && !data.valid) {
    throw new UsageError('--early-stopping: needs validation data (--valid-data-file or --valid-fraction)')
  }
  if (plateau(settings) && !data.valid) {
    throw new UsageError('--lr-plateau-...: needs validation data (--valid-data-file or --valid-fraction)')
  }
  return hasClicks(settings.mode) || settings.testFreq > 0 ? (data.valid ?? data.test) : undefined
}

/** The metrics of a trained model on the test split, or on what it was validated with, then as measured at the model's step. */
export async function finalMetrics(
  settings: TrainSettings,
  data: RunData,
  model: Model,
  { history, best, steps }: FitResult,
): Promise<{ split: string; metrics: Metrics } | undefined> {
  const { test } = data
  const valid = validSource(settings, data)
  const options = { batchSize: settings.testMiniBatchSize }
  if (hasClicks(settings.mode) && test && test !== valid) {
    return { split: test.name, metrics: await evaluate(model, test, options) }
  }
  if (!valid) return undefined
  const known = history.find(({ step }) => step === (best?.step ?? steps))
  return { split: valid.name, metrics: known?.valid ?? (await evaluate(model, valid, options)) }
}
