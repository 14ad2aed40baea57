import type { ModelClass } from '../models/define.js'
import { DLRM } from '../models/dlrm.js'
import type { Model } from '../models/model.js'
import { native } from '../native.js'
import { evaluate } from '../train/evaluate.js'
import type { FitOptions, FitResult, Progress } from '../train/fit_options.js'
import { defined } from './defined.js'
import type { Io } from './io.js'
import { deviceOf, findModel, givenOptions, kindOf } from './models.js'
import { openData, type RunData } from './open_data.js'
import { makeReporter, type Reporter } from './output.js'
import { shapeFlags, type TrainFlags, type TrainSettings, trainSettings } from './settings.js'
import { checkFolder, finalMetrics, fitOptions, newModel, validSource } from './setup.js'
import { expandData } from './short_data.js'
import { stopOnSignals } from './signals.js'
import { UsageError } from './usage.js'

/** Steps between updates of a progress bar: each report waits for the step in flight. */
const BAR_EVERY = 16

/** `dlrm train`. Resolves to the exit code: 0, or 128 + the number of the signal that stopped it. */
export async function train(given: TrainFlags, io: Io): Promise<number> {
  const flags = await expandData(given)
  const settings = trainSettings({ ...flags, progress: flags.progress ?? (io.terminal && !flags.json) })
  if (settings.threads !== undefined) native.threads(settings.threads)
  if (settings.saveModel !== undefined) await checkFolder('--save-model', settings.saveModel)
  const loaded = settings.loadModel === undefined ? undefined : await loadFor(settings, settings.loadModel)
  const data = await openData(settings, loaded)
  const reporter = await makeReporter(io, settings)
  try {
    const model = loaded ?? (await newModel(settings, data))
    const run = new Run(settings, data, model, reporter)
    return await (settings.inferenceOnly ? run.judge() : run.train())
  } finally {
    reporter.done()
    await data.close()
  }
}

async function loadFor(settings: TrainSettings, path: string): Promise<Model> {
  const ModelClass = await findModel(settings.model ?? (await kindOf(path)))
  const options = Object.keys(givenOptions(settings))[0]
  if (options) throw new UsageError(`--${options}: the model of --load-model has its own`)
  const { poolingOf, share, buckets, precision, tableDtype } = settings
  const [own] = Object.keys(defined({ 'pooling-of': poolingOf, share, buckets }))
  if (own) throw new UsageError(`--${own}: the model of --load-model has its own`)
  if (ModelClass !== DLRM)
    return (ModelClass as ModelClass).load(path, {
      ...defined({ precision, tableDtype }),
      ...deviceOf(settings),
    })
  const given = shapeFlags.find(name => settings[name] !== undefined)
  if (given) {
    const name = given.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
    throw new UsageError(`--${name}: the model of --load-model has its own`)
  }
  const { lossFunction: loss, lossWeights, lossThreshold } = settings
  return DLRM.load(path, {
    ...defined({ loss, lossWeights, lossThreshold, precision, tableDtype }),
    ...deviceOf(settings),
  })
}

/** One run over opened data. */
class Run {
  readonly #settings: TrainSettings
  readonly #data: RunData
  readonly #model: Model
  readonly #reporter: Reporter
  /** What is judged while training: made data has nothing to judge, unless asked. */
  readonly #valid: RunData['valid']

  constructor(settings: TrainSettings, data: RunData, model: Model, reporter: Reporter) {
    this.#settings = settings
    this.#data = data
    this.#model = model
    this.#reporter = reporter
    this.#valid = validSource(settings, data)
    if (settings.wideOptimizer && !model.groups.some(({ name }) => name === 'wide')) {
      const groups = model.groups.map(({ name }) => name).join(', ')
      throw new UsageError(`--wide-optimizer: the model has no wide part, its parameter groups are ${groups}`)
    }
  }

  async train(): Promise<number> {
    const stop = stopOnSignals()
    try {
      const { train, schema, close } = this.#data
      const data = { schema, train, close, ...defined({ valid: this.#valid }) }
      const result = await this.#model.fit(data, await this.#fitOptions(stop.signal))
      const { skipped, skippedBy = {} } = train
      if (skipped) {
        const reasons = Object.entries(skippedBy).map(([reason, n]) => `${n} x ${reason}`)
        this.#reporter.note(`malformed lines passed over in ${train.name}: ${skipped} (${reasons.join(', ')})`)
      }
      if (stop.code) this.#reporter.note(`stopped at step ${result.steps}`)
      await this.#finish(result, stop.code > 0)
      return stop.code
    } finally {
      stop.dispose()
    }
  }

  /** --inference-only. */
  async judge(): Promise<number> {
    const { test, valid, train } = this.#data
    const source = test ?? valid ?? train
    const metrics = await evaluate(this.#model, source, { batchSize: this.#settings.testMiniBatchSize })
    const nothing = { steps: 0, samples: 0, seconds: null, samplesPerSecond: null, bestStep: null, savedTo: null }
    this.#reporter.summary({
      ...nothing,
      split: source.name,
      metrics,
      skipped: source.skipped ?? 0,
      teacherAuc: this.#data.ceiling?.() ?? null,
    })
    return 0
  }

  async #fitOptions(signal: AbortSignal): Promise<FitOptions> {
    const s = this.#settings
    const { checkpointDir: dir } = s
    const onWarning = (text: string): void => this.#reporter.note(text)
    return {
      ...(await fitOptions(s, this.#model)),
      ...defined({ resume: s.resume }),
      ...(dir === undefined ? {} : { checkpoint: { dir, every: s.checkpointEvery ?? 1000, onWarning } }),
      progressEvery: s.progress ? BAR_EVERY : s.printFreq,
      onProgress: progress => this.#report(progress),
      signal,
    }
  }

  #report(progress: Progress): void {
    const { size, estimatedSize } = this.#data.train
    const { miniBatchSize, numBatches } = this.#settings
    const rows = size ?? estimatedSize
    const all = rows === undefined ? progress.stepInEpoch : Math.ceil(rows / miniBatchSize)
    const total = numBatches ? Math.min(numBatches, rows === undefined ? numBatches : all) : all
    const report = { ...progress, total, estimated: size === undefined && !(numBatches && total === numBatches) }
    if (progress.valid) this.#reporter.validation(report, progress.valid)
    else this.#reporter.step(report)
  }

  /** Saves, judges the test split (or what was validated), and sums up. After a signal it only saves. */
  async #finish(result: FitResult, stopped: boolean): Promise<void> {
    const { saveModel } = this.#settings
    if (saveModel !== undefined) await this.#model.save(saveModel)
    const final = stopped ? undefined : await finalMetrics(this.#settings, this.#data, this.#model, result)
    this.#reporter.summary({
      split: final?.split ?? null,
      metrics: final?.metrics ?? null,
      steps: result.steps,
      samples: result.samples,
      seconds: result.seconds,
      samplesPerSecond: result.samplesPerSecond,
      skipped: result.skipped,
      bestStep: result.best?.step ?? null,
      teacherAuc: stopped ? null : (this.#data.ceiling?.() ?? null),
      savedTo: saveModel ?? null,
    })
  }
}
