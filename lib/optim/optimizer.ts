import { DlrmError } from '../errors.js'
import type { Attrs } from '../native.js'
import type { Schedule, ScheduleJSON } from './schedule.js'

/** What an optimizer is on the wire and in a saved model. */
export interface OptimizerJSON {
  /** The native rule, see native/optim. */
  rule: 'sgd' | 'adagrad' | 'rowwise_adagrad' | 'adam' | 'ftrl'
  lr: number
  schedule?: ScheduleJSON
  [option: string]: number | boolean | string | ScheduleJSON | undefined
}

/** What every optimizer takes. */
export interface OptimizerOptions {
  /** Learning rate, >= 0. */
  lr?: number
  /** Changes the learning rate from step to step; absent: constant. */
  schedule?: Schedule
  /**
   * True (default): a step changes the rows of an embedding table that its batch touches only, as PyTorch with sparse gradients.
   * False: every row, as with dense gradients: momentum, weight decay and Adam's moments go on where the gradient is 0. That
   * costs time in proportion to the tables.
   */
  lazy?: boolean
}

/**
 * The options of an update rule, checked; the rule itself runs natively, and its state (momentum, sums) belongs to the compiled model.
 * Embedding tables are updated on the rows a batch touches only, with PyTorch's semantics for sparse gradients, unless `lazy` is false.
 */
export abstract class Optimizer {
  abstract readonly rule: OptimizerJSON['rule']
  readonly lr: number
  readonly schedule?: Schedule
  readonly lazy: boolean

  constructor(options: OptimizerOptions, lr: number) {
    this.lr = atLeastZero('lr', options.lr ?? lr)
    this.schedule = options.schedule
    this.lazy = flag('lazy', options.lazy ?? true)
  }

  /** The learning rate of the `step`-th update, counted from 1, before the rule's own decay (Adagrad's `lrDecay`). */
  lrAt(step: number): number {
    return this.schedule ? this.schedule.lr(this.lr, step) : this.lr
  }

  /** Plain numbers: everything `optimizerFromJSON` and the native side need. */
  toJSON(): OptimizerJSON {
    const { rule, lr, schedule, ...options } = this
    const json: OptimizerJSON = { rule, lr, ...(options as Record<string, number | boolean>) }
    if (schedule) json.schedule = schedule.toJSON()
    return json
  }
}

/** The rule as the native side reads it: everything but the learning rate, which may change at each step. `@internal` */
export function ruleAttrs(optimizer: Optimizer): Attrs {
  const { lr: _, schedule: __, ...options } = optimizer.toJSON()
  const attrs: Attrs = {}
  for (const [name, value] of Object.entries(options)) {
    attrs[name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)] = value as number | string | boolean
  }
  return attrs
}

/** Errors: `ERR_ARGUMENT` unless `value` is a finite number >= 0. */
export function atLeastZero(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
  throw new DlrmError('ERR_ARGUMENT', `[optimizer] ${name}: expected a number >= 0, received ${value}`)
}

/** Errors: `ERR_ARGUMENT` unless `value` is true or false. */
export function flag(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new DlrmError('ERR_ARGUMENT', `[optimizer] ${name}: expected true or false, received ${value}`)
}

/** Errors: `ERR_ARGUMENT` unless `value` is a number in [0, 1). */
export function belowOne(name: string, value: unknown): number {
  if (atLeastZero(name, value) < 1) return value as number
  throw new DlrmError('ERR_ARGUMENT', `[optimizer] ${name}: expected a number in [0, 1), received ${value}`)
}
