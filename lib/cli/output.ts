import type { Metrics } from '../train/metrics.js'
import type { Io } from './io.js'

/** What one report of training says. */
export interface StepReport {
  epoch: number
  /** In this epoch, from 1, and how many it has: unknown before a file was read once, then `total` is an estimate. */
  stepInEpoch: number
  total: number
  estimated: boolean
  /** In all. */
  step: number
  loss: number
  millisecondsPerStep: number
  samplesPerSecond: number
}

/** The end of a run; null where unknown. */
export interface Summary {
  split: string | null
  metrics: Metrics | null
  steps: number
  samples: number
  seconds: number | null
  samplesPerSecond: number | null
  skipped: number
  bestStep: number | null
  teacherAuc: number | null
  savedTo: string | null
}

/** How a run speaks. `done` is called once, also after a failure. */
export interface Reporter {
  step(report: StepReport): void
  validation(at: StepReport, metrics: Metrics): void
  summary(summary: Summary): void
  /** Something a person may want to know; never part of the result. */
  note(text: string): void
  done(): void
}

export async function makeReporter(
  io: Io,
  options: { json?: boolean; progress?: boolean; printTime?: boolean; inferenceOnly?: boolean },
): Promise<Reporter> {
  if (options.json) return new JsonReporter(io)
  if (options.progress) return new (await import('./progress.js')).ProgressReporter(io, options)
  return new PlainReporter(io, options)
}

const places = (value: number | null, digits: number): string => (value === null ? 'n/a' : value.toFixed(digits))

/** `auc 0.7812, logloss 0.4521, ...`. */
export function describe(metrics: Metrics): string {
  const { auc, logloss, normalizedEntropy, accuracy, calibration, samples, rmse } = metrics
  if (logloss === null) return `rmse ${rmse.toFixed(5)}, calibration ${places(calibration, 3)} (${count(samples)} rows)`
  const percent = accuracy === null ? 'n/a' : `${(accuracy * 100).toFixed(2)} %`
  return (
    `auc ${places(auc, 5)}, logloss ${places(logloss, 5)}, normalised entropy ${places(normalizedEntropy, 4)}, ` +
    `accuracy ${percent}, calibration ${places(calibration, 3)} (${count(samples)} rows)`
  )
}

export const count = (n: number): string => Math.round(n).toLocaleString('en-US')

/** As JSON names them. */
export function metricsJson(metrics: Metrics): Record<string, number | null> {
  const { samples, auc, logloss, normalizedEntropy, accuracy, calibration, mse, rmse } = metrics
  return { auc, logloss, normalized_entropy: normalizedEntropy, accuracy, calibration, mse, rmse, samples }
}

/** The lines of dlrm_s_pytorch.py, then ours. */
export class PlainReporter implements Reporter {
  protected readonly io: Io
  readonly #time: boolean
  #bestAccuracy = 0

  constructor(io: Io, options: { printTime?: boolean }) {
    this.io = io
    this.#time = options.printTime ?? false
  }

  protected print(text: string): void {
    this.io.stdout.write(`${text}\n`)
  }

  step(report: StepReport): void {
    const { epoch, loss, millisecondsPerStep } = report
    const time = (this.#time ? millisecondsPerStep : -1).toFixed(2)
    this.print(`Finished training it ${position(report)} of epoch ${epoch}, ${time} ms/it, loss ${loss.toFixed(6)}`)
  }

  validation(at: StepReport, metrics: Metrics): void {
    this.print(`Testing at - ${position(at)} of epoch ${at.epoch},`)
    if (metrics.accuracy !== null) {
      this.#bestAccuracy = Math.max(this.#bestAccuracy, metrics.accuracy)
      const percent = (x: number): string => (x * 100).toFixed(3)
      this.print(` accuracy ${percent(metrics.accuracy)} %, best ${percent(this.#bestAccuracy)} %`)
    }
    this.print(` ${describe(metrics)}`)
  }

  summary(s: Summary): void {
    if (s.metrics) this.print(`${s.split}: ${describe(s.metrics)}`)
    if (s.teacherAuc !== null) this.print(`the planted teacher's own auc: ${s.teacherAuc.toFixed(5)}`)
    if (s.bestStep !== null) this.print(`best validation at step ${s.bestStep}: the model is that one`)
    if (s.samplesPerSecond !== null) {
      const speed = `${count(s.samplesPerSecond)} samples/s`
      this.print(
        `trained ${count(s.samples)} examples in ${s.seconds!.toFixed(2)} s, ${count(s.steps)} steps, ${speed}`,
      )
    }
    if (s.savedTo !== null) this.print(`saved ${s.savedTo}`)
  }

  note(text: string): void {
    this.io.stderr.write(`note: ${text}\n`)
  }

  done(): void {}
}

const position = ({ stepInEpoch, total, estimated }: StepReport): string => {
  return `${stepInEpoch}/${estimated ? `~${Math.max(total, stepInEpoch)}` : total}`
}

/** One JSON object per line. */
class JsonReporter implements Reporter {
  readonly #io: Io

  constructor(io: Io) {
    this.#io = io
  }

  #print(object: Record<string, unknown>): void {
    this.#io.stdout.write(`${JSON.stringify(object)}\n`)
  }

  step({ step, epoch, loss, millisecondsPerStep, samplesPerSecond }: StepReport): void {
    const speed = { ms_per_step: millisecondsPerStep, samples_per_second: samplesPerSecond }
    this.#print({ event: 'step', step, epoch, loss, ...speed })
  }

  validation({ step, epoch }: StepReport, metrics: Metrics): void {
    this.#print({ event: 'validation', step, epoch, ...metricsJson(metrics) })
  }

  summary(s: Summary): void {
    const unknown = { auc: null, logloss: null }
    this.#print({
      event: 'summary',
      split: s.split,
      ...(s.metrics ? metricsJson(s.metrics) : unknown),
      steps: s.steps,
      train_samples: s.samples,
      samples_per_second: s.samplesPerSecond,
      train_seconds: s.seconds,
      skipped_lines: s.skipped,
      best_step: s.bestStep,
      teacher_auc: s.teacherAuc,
      saved_to: s.savedTo,
    })
  }

  note(text: string): void {
    this.#io.stderr.write(`note: ${text}\n`)
  }

  done(): void {}
}
