import { DlrmError } from '../errors.js'
import type { Model } from '../models/model.js'
import type { PrunedParts } from '../models/prune.js'

/**
 * Pruning while training (DeepLight, Deng et al. 2021, section 3.3): after the warm-up, every `every` steps the weights of least
 * magnitude become zero, the share S (1 - decay^(i / span)) at the i-th step. They are not held at zero: between two
 * prunings a weight may grow again.
 */
export interface PruningOptions {
  /** S: the share at the end, of every part of the model that can be pruned, or of each part. */
  target: number | PrunedParts
  /** Train so many whole epochs (default 0), or steps, before. */
  warmupEpochs?: number
  warmupSteps?: number
  /** Default 10. */
  every?: number
  /** Default .99. */
  decay?: number
  /** Steps in which what is missing to the target shrinks to `decay` of itself; default 100. */
  span?: number
}

const NEARLY = 0.01 // with less than this share of the target missing, the whole target is taken

/** The schedule of one run. */
export class Pruning {
  readonly #model: Model
  readonly #options: PruningOptions
  /** Steps done when the warm-up ended; -1 before. */
  start = -1

  /** Errors: `ERR_ARGUMENT`. */
  constructor(model: Model, options: PruningOptions) {
    this.#model = model
    this.#options = options
    model.checkPruning(options.target)
    const { warmupEpochs = 0, warmupSteps = 0, every = 10, decay = 0.99, span = 100 } = options
    const bad = (name: string, expected: string, received: unknown) =>
      new DlrmError('ERR_ARGUMENT', `[fit] pruning.${name}: expected ${expected}, received ${String(received)}`)
    for (const [name, value] of Object.entries({ warmupEpochs, warmupSteps })) {
      if (!Number.isSafeInteger(value) || value < 0) throw bad(name, 'an integer >= 0', value)
    }
    if (!Number.isSafeInteger(every) || every < 1) throw bad('every', 'an integer >= 1', every)
    if (!(decay > 0 && decay < 1)) throw bad('decay', 'a number between 0 and 1', decay)
    if (!(span > 0 && Number.isFinite(span))) throw bad('span', 'a number > 0', span)
  }

  /** The share of the target that step number `step` is to reach: 0 in the warm-up, 1 at the end. */
  #reached(step: number): number {
    if (this.start < 0) return 0
    const { decay = 0.99, span = 100 } = this.#options
    const missing = decay ** ((step - this.start) / span)
    return missing < NEARLY ? 1 : 1 - missing
  }

  /** Has the share reached the target? */
  get complete(): boolean {
    return this.#reached(this.#model.steps) === 1
  }

  /** To be called before each step of an epoch; whether the warm-up has just ended. */
  beforeStep(epoch: number): boolean {
    const { warmupEpochs = 0, warmupSteps = 0 } = this.#options
    if (this.start >= 0 || epoch < warmupEpochs || this.#model.steps < warmupSteps) return false
    this.start = this.#model.steps
    return true
  }

  /** Prunes behind the steps so far, if it is time to. */
  async afterStep(): Promise<void> {
    const { every = 10 } = this.#options
    const step = this.#model.steps
    if (this.start < 0 || (step - this.start) % every !== 0) return
    await this.#model.prune(this.#scaled(this.#reached(step)))
  }

  /** Exactly to the target. */
  async finish(): Promise<void> {
    await this.#model.prune(this.#options.target)
  }

  #scaled(factor: number): number | PrunedParts {
    const { target } = this.#options
    if (typeof target === 'number') return target * factor
    return Object.fromEntries(Object.entries(target).map(([part, share]) => [part, share * factor]))
  }
}
