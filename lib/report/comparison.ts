import type { Metrics } from '../train/metrics.js'

/** A moment of training: steps and seconds of training so far (validation not counted). */
export interface Moment {
  step: number
  seconds: number
}

/** One training run of one model with one seed. */
export interface ComparedRun {
  seed: number
  /** On the split that judges; of the best model with early stopping. */
  metrics: Metrics
  steps: number
  epochs: number
  seconds: number
  samplesPerSecond: number
  /** Step of the best validation, with early stopping. */
  bestStep: number | null
  training: (Moment & { loss: number })[]
  validation: (Moment & { metrics: Metrics })[]
}

/** One model of a comparison, with the runs that were finished. */
export interface Entrant {
  name: string
  /** Kind of model. */
  model: string
  /** A command line that repeats its first run. */
  command: string
  parameters: number
  runs: ComparedRun[]
  /** Why a run failed. */
  error?: string
  /** AUC that it should reach at least. */
  target?: number
}

/** Models trained side by side on the same data. */
export interface Comparison {
  entrants: Entrant[]
  /** Name of the split that judged. */
  split: string
  /** A signal ended it early. */
  stopped: boolean
}

/** A mean over seeds, and their sample standard deviation (null with one). */
export interface Spread {
  mean: number
  deviation: number | null
}

/** What a table says of one model; null without runs, or where a run has no such figure. */
export interface Row {
  name: string
  model: string
  seeds: number
  auc: Spread | null
  logloss: Spread | null
  /** Root of the mean squared error: for models of numbers. */
  rmse: Spread | null
  parameters: number
  samplesPerSecond: number | null
  seconds: number | null
}

/** The figures of one model over its seeds. */
export function summarise({ name, model, parameters, runs }: Entrant): Row {
  return {
    name,
    model,
    seeds: runs.length,
    auc: spread(runs.map(run => run.metrics.auc)),
    logloss: spread(runs.map(run => run.metrics.logloss)),
    rmse: spread(runs.map(run => Math.sqrt(run.metrics.mse))),
    parameters,
    samplesPerSecond: spread(runs.map(run => run.samplesPerSecond))?.mean ?? null,
    seconds: spread(runs.map(run => run.seconds))?.mean ?? null,
  }
}

function spread(values: (number | null)[]): Spread | null {
  const n = values.length
  if (n === 0 || values.includes(null)) return null
  const numbers = values as number[]
  const mean = numbers.reduce((sum, x) => sum + x, 0) / n
  const squares = numbers.reduce((sum, x) => sum + (x - mean) ** 2, 0)
  return { mean, deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : null }
}

/** `0.98421 ± 0.00030`, or `n/a`. */
export function showSpread(value: Spread | null, digits = 5): string {
  if (!value) return 'n/a'
  const { mean, deviation } = value
  return deviation === null ? mean.toFixed(digits) : `${mean.toFixed(digits)} ± ${deviation.toFixed(digits)}`
}
