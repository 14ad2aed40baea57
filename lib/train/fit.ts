import type { DataSet, Position } from '../data/source.js'
import { DlrmError } from '../errors.js'
import type { Model, Tensor } from '../models/model.js'
import { describeModel } from '../models/storage.js'
import { Checkpoints, type TrainingState } from './checkpoint.js'
import { evaluate } from './evaluate.js'
import { checkFitOptions, type FitOptions, type FitResult } from './fit_options.js'
import { isBetter, type Metrics, type SteeringMetric } from './metrics.js'
import { Plateau } from './plateau.js'
import { Pruning } from './pruning.js'

/** The training loop behind `model.fit`. */
export async function fit(model: Model, data: DataSet, options: FitOptions): Promise<FitResult> {
  return new Fit(model, data, options).run()
}

/** One window of training between two reports. */
interface Window {
  loss: number
  samples: number
  steps: number
  milliseconds: number
}

const emptyWindow = (): Window => ({ loss: 0, samples: 0, steps: 0, milliseconds: 0 })

class Fit {
  readonly #model: Model
  readonly #data: DataSet
  readonly #options: FitOptions
  readonly #checkpoints: Checkpoints | undefined
  readonly #pruning: Pruning | undefined
  #epoch = 0
  #stepInEpoch = 0
  #position: Position | null = null
  #best: { value: number; step: number } | null = null
  #bestState: Map<string, Tensor> | undefined
  #sinceBest = 0
  #stoppedEarly = false
  readonly #plateau: Plateau | undefined
  #window = emptyWindow()
  #training = { loss: Number.NaN, millisecondsPerStep: Number.NaN } // as last reported
  #samples = 0
  #milliseconds = 0
  #mark = 0
  #pending: { loss: Promise<number>; samples: number } | undefined
  readonly #history: FitResult['history'] = []

  constructor(model: Model, data: DataSet, options: FitOptions) {
    this.#model = model
    this.#data = data
    this.#options = options
    checkFitOptions(model, data, options)
    const { checkpoint, reduceLrOnPlateau, pruning } = options
    this.#plateau = reduceLrOnPlateau && new Plateau({ metric: this.#metric(), ...reduceLrOnPlateau })
    this.#pruning = pruning && new Pruning(model, pruning)
    this.#checkpoints = checkpoint && new Checkpoints(checkpoint)
  }

  async run(): Promise<FitResult> {
    const model = this.#model
    const { optimizer, batchSize, epochs = 1, clipNorm = 0 } = this.#options
    if (model.optimizer !== optimizer || model.maxBatch < batchSize || model.clipNorm !== clipNorm)
      await model.compile({ optimizer, maxBatch: batchSize, clipNorm })
    model.schema = this.#data.schema
    if (this.#options.resume) await this.#resume()
    this.#scaleRates()
    while (this.#epoch < epochs && !this.#stopped()) await this.#runEpoch()
    if (!this.#options.signal?.aborted) await this.#finish()
    await this.#restoreBest()
    const seconds = this.#milliseconds / 1000
    return {
      steps: model.steps,
      epochs: this.#epoch,
      samples: this.#samples,
      seconds,
      samplesPerSecond: seconds > 0 ? this.#samples / seconds : 0,
      history: this.#history,
      best: this.#best ?? undefined,
      stoppedEarly: this.#stoppedEarly,
      skipped: this.#data.train.skipped ?? 0,
    }
  }

  /** A run too short for its schedule is pruned at its end, and validated once more. */
  async #finish(): Promise<void> {
    if (!this.#pruning || this.#best) return
    const { complete } = this.#pruning
    await this.#pruning.finish()
    if (!complete) await this.#validate()
  }

  #metric(): SteeringMetric {
    return this.#options.earlyStopping?.metric ?? (this.#model.predicts === 'number' ? 'rmse' : 'auc')
  }

  #scaleRates(): void {
    this.#model.scaleRates(this.#plateau?.state.scale ?? 1, this.#plateau?.minLr ?? 0)
  }

  #stopped(): boolean {
    return this.#stoppedEarly || (this.#options.signal?.aborted ?? false)
  }

  async #runEpoch(): Promise<void> {
    const { batchSize, seed = 0, shuffle = true, stepsPerEpoch = Number.POSITIVE_INFINITY } = this.#options
    const { validEvery, checkpoint, progressEvery = 1 } = this.#options
    const from = this.#position ?? undefined
    this.#mark = performance.now()
    if (this.#stepInEpoch < stepsPerEpoch) {
      for await (const { batch, next } of this.#data.train.batches({
        batchSize,
        epoch: this.#epoch,
        seed,
        shuffle,
        from,
      })) {
        if (this.#stopped()) break
        if (this.#pruning?.beforeStep(this.#epoch)) this.#plateau?.forget()
        const loss = this.#model.step(batch) // copies the batch, runs while the next one is read
        loss.catch(() => {})
        await this.#settle()
        this.#pending = { loss, samples: batch.size }
        this.#position = next
        this.#stepInEpoch++
        await this.#pruning?.afterStep()
        if (this.#stepInEpoch % progressEvery === 0) await this.#report()
        if (validEvery && this.#stepInEpoch % validEvery === 0) await this.#validate()
        if (checkpoint && this.#model.steps % checkpoint.every === 0) await this.#save()
        if (this.#stepInEpoch >= stepsPerEpoch) break
      }
    }
    await this.#settle()
    this.#lap()
    if (this.#stoppedEarly) return
    if (this.#stopped()) return this.#checkpoints && this.#save() // so that a resumed run loses nothing
    if (this.#window.steps > 0) await this.#report()
    if (!validEvery || this.#stepInEpoch % validEvery !== 0) await this.#validate()
    this.#epoch++
    this.#stepInEpoch = 0
    this.#position = null
  }

  /** Waits for the step in flight and counts it. */
  async #settle(): Promise<void> {
    const pending = this.#pending
    if (!pending) return
    this.#pending = undefined
    this.#window.loss += (await pending.loss) * pending.samples
    this.#window.samples += pending.samples
    this.#window.steps++
    this.#samples += pending.samples
  }

  /** Adds the time since the last mark to the training time. */
  #lap(): void {
    const now = performance.now()
    this.#milliseconds += now - this.#mark
    this.#window.milliseconds += now - this.#mark
    this.#mark = now
  }

  async #report(valid?: Metrics): Promise<void> {
    await this.#settle()
    this.#lap()
    const { loss, samples, steps, milliseconds } = this.#window
    if (steps > 0) this.#training = { loss: loss / samples, millisecondsPerStep: milliseconds / steps }
    this.#window = emptyWindow()
    this.#options.onProgress?.({
      epoch: this.#epoch,
      step: this.#model.steps,
      stepInEpoch: this.#stepInEpoch,
      ...this.#training,
      seconds: this.#milliseconds / 1000,
      samplesPerSecond: this.#samples / (this.#milliseconds / 1000),
      rateScale: this.#plateau?.state.scale ?? 1,
      valid,
    })
  }

  async #validate(): Promise<void> {
    const { valid } = this.#data
    const { batchSize, validBatchSize = batchSize, earlyStopping } = this.#options
    if (!valid) return
    await this.#settle()
    this.#lap()
    if (this.#window.steps > 0) await this.#report()
    if (this.#pruning?.complete) await this.#pruning.finish()
    const metrics = await evaluate(this.#model, valid, { batchSize: validBatchSize })
    this.#mark = performance.now()
    this.#history.push({ step: this.#model.steps, epoch: this.#epoch, valid: metrics })
    await this.#report(metrics)
    const underWay = this.#pruning && this.#pruning.start >= 0 && !this.#pruning.complete
    if (this.#plateau && !underWay) {
      this.#plateau.judge(steering(metrics, this.#plateau.metric))
      this.#scaleRates()
    }
    if (!earlyStopping || this.#pruning?.complete === false) return
    const value = steering(metrics, this.#metric())
    if (!this.#best || isBetter(this.#metric(), value, this.#best.value)) {
      this.#best = { value, step: this.#model.steps }
      this.#sinceBest = 0
      await this.#keepBest()
    } else if (++this.#sinceBest >= earlyStopping.patience) {
      this.#stoppedEarly = true
    }
    this.#mark = performance.now()
  }

  #bestPath(): string {
    return `${this.#options.checkpoint!.dir}/best.safetensors`
  }

  /** With checkpoints the best parameters live in a file, so that a resumed run finds them; else in memory. */
  async #keepBest(): Promise<void> {
    if (!this.#checkpoints) {
      this.#bestState = this.#model.state()
      return
    }
    const { mkdir } = await import('node:fs/promises')
    await mkdir(this.#checkpoints.dir, { recursive: true })
    await this.#model.save(this.#bestPath())
  }

  async #restoreBest(): Promise<void> {
    if (!this.#best || this.#best.step === this.#model.steps) return
    if (this.#bestState) return this.#model.loadState(this.#bestState)
    const { openSafetensors } = await import('../format/safetensors.js')
    const file = await openSafetensors(this.#bestPath())
    try {
      await this.#model.readEntries(file, { optimizer: false })
    } finally {
      await file.close()
    }
  }

  /** What decides the order and size of the steps: a checkpoint of another setting must not be continued. */
  #setting(): { [key: string]: string | number | boolean } {
    const { batchSize, seed = 0, shuffle = true, optimizer, clipNorm = 0, reduceLrOnPlateau = {} } = this.#options
    return {
      batchSize,
      seed,
      shuffle,
      optimizer: JSON.stringify(optimizer),
      pruning: JSON.stringify(this.#options.pruning ?? null),
      clipNorm,
      reduceLrOnPlateau: JSON.stringify(reduceLrOnPlateau),
      config: JSON.stringify(this.#model.config),
    }
  }

  async #save(): Promise<void> {
    await this.#settle()
    this.#lap()
    const model = this.#model
    await model.exclusively(() => {
      const state: TrainingState = {
        epoch: this.#epoch,
        step: model.steps,
        stepInEpoch: this.#stepInEpoch,
        position: this.#position,
        rng: this.#options.seed ?? 0,
        best: this.#best,
        sinceBest: this.#sinceBest,
        pruningStart: this.#pruning?.start ?? -1,
        plateau: this.#plateau ? { ...this.#plateau.state } : null,
        window: { ...this.#window },
        setting: this.#setting(),
      }
      return this.#checkpoints!.save(state, model.entries({ optimizer: true }), describeModel(model))
    })
    this.#mark = performance.now()
  }

  async #resume(): Promise<void> {
    if (!this.#checkpoints) throw new DlrmError('ERR_ARGUMENT', '[fit] resume: needs checkpoint.dir')
    const found = await this.#checkpoints.latest()
    if (!found) return
    const { state, file, path, step } = found
    try {
      const setting = this.#setting()
      for (const [name, value] of Object.entries(state.setting as typeof setting)) {
        if (setting[name] !== value) {
          throw new DlrmError(
            'ERR_ARGUMENT',
            `[fit] resume: ${path} was made with ${name} = ${value}, received ${setting[name]}`,
          )
        }
      }
      await this.#model.readEntries(file, { optimizer: true, steps: step })
    } finally {
      await file.close()
    }
    this.#epoch = state.epoch
    this.#stepInEpoch = state.stepInEpoch as number
    this.#position = state.position
    this.#best = state.best
    this.#sinceBest = state.sinceBest
    if (this.#pruning) this.#pruning.start = state.pruningStart as number
    if (this.#plateau && state.plateau) this.#plateau.state = state.plateau as unknown as Plateau['state']
    this.#window = state.window as unknown as Window
  }
}

function steering(metrics: Metrics, name: SteeringMetric): number {
  const value = metrics[name]
  if (value === null) throw new DlrmError('ERR_DATA', `[fit] the validation data has no ${name}`)
  return value
}
