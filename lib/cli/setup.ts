/** What `train` and `compare` make of the same flags: a model, an optimizer, the options of fit, and what judges the result. */
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DataSource } from '../data/source.js'
import { ioError } from '../errors.js'
import { DLRM } from '../models/dlrm.js'
import type { Model } from '../models/model.js'
import type { Optimizer } from '../optim/optimizer.js'
import { evaluate } from '../train/evaluate.js'
import type { FitOptions, FitResult } from '../train/fit.js'
import type { Metrics } from '../train/metrics.js'
import { findModel, makeModel } from './models.js'
import { defined, type RunData } from './open_data.js'
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
  const { denseCount: dense, tableSizes: tables, categorical } = data.schema
  const names = categorical.map(column => column.name)
  const ModelClass = await findModel(settings.model ?? 'dlrm')
  if (ModelClass !== DLRM)
    return makeModel(ModelClass, settings, { dense, tables, tableNames: names, seed: settings.seed })
  const config = modelConfig(settings, { dense, tables, names })
  if (hasClicks(settings.mode)) return new DLRM({ ...config, seed: settings.seed })
  const { RandomState } = await import('../data/numpy_random.js')
  return new DLRM({ ...config, random: new RandomState(settings.seed) })
}

async function makeOptimizer(s: TrainSettings): Promise<Optimizer> {
  const { lrNumWarmupSteps: warmupSteps = 0, lrDecayStartStep: decayStartStep = 0, lrNumDecaySteps: decaySteps = 0 } = s
  const { WarmupPolyDecay } = await import('../optim/schedule.js')
  const scheduled = warmupSteps > 0 || decaySteps > 0
  const options = {
    lr: s.learningRate,
    ...(scheduled ? { schedule: new WarmupPolyDecay({ warmupSteps, decayStartStep, decaySteps }) } : {}),
    ...defined({ weightDecay: s.weightDecay }),
  }
  switch (s.optimizer) {
    case 'sgd':
      return new (await import('../optim/sgd.js')).SGD({ ...options, ...defined({ momentum: s.momentum }) })
    case 'adagrad':
      return new (await import('../optim/adagrad.js')).Adagrad(options)
    case 'rwsadagrad':
      return new (await import('../optim/rowwise_adagrad.js')).RowWiseAdagrad(options)
    case 'adam':
      return new (await import('../optim/adam.js')).Adam(options)
  }
}

/** The options that the flags decide, with a new optimizer. */
export async function fitOptions(s: TrainSettings): Promise<FitOptions> {
  const { earlyStopping: patience, metric } = s
  return {
    batchSize: s.miniBatchSize,
    optimizer: await makeOptimizer(s),
    epochs: s.nepochs,
    ...defined({ stepsPerEpoch: s.numBatches || undefined, validEvery: s.testFreq || undefined }),
    shuffle: s.shuffle ?? hasClicks(s.mode),
    seed: s.seed,
    validBatchSize: s.testMiniBatchSize,
    ...(patience === undefined ? {} : { earlyStopping: { patience, ...defined({ metric }) } }),
  }
}

/** What is judged while training: made data has nothing to judge, unless asked. Errors: UsageError. */
export function validSource(settings: TrainSettings, data: RunData): DataSource | undefined {
  if (settings.earlyStopping !== undefined && !data.valid) {
    throw new UsageError('--early-stopping: needs validation data (--valid-data-file or --valid-fraction)')
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
