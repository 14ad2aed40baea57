import cliProgress from 'cli-progress'
import type { Metrics } from '../train/metrics.js'
import type { Io } from './io.js'
import { count, describe, PlainReporter, type StepReport, type Summary } from './output.js'

const FORMAT = '{epoch} [{bar}] {percentage}% | loss {loss} | {speed} samples/s | {left} left'

/** A bar over the steps of each epoch, with loss and speed, on standard error; results on standard output. */
export class ProgressReporter extends PlainReporter {
  readonly #bar: cliProgress.SingleBar
  #epoch = -1

  constructor(io: Io, options: { printTime?: boolean }) {
    super(io, options)
    this.#bar = new cliProgress.SingleBar(
      { format: FORMAT, stream: io.stderr, hideCursor: true, barsize: 30, fps: 10, gracefulExit: false },
      cliProgress.Presets.shades_classic,
    )
  }

  override step(report: StepReport): void {
    const { epoch, stepInEpoch, total, loss, millisecondsPerStep, samplesPerSecond } = report
    const left = (Math.max(0, total - stepInEpoch) * millisecondsPerStep) / 1000
    const values = {
      epoch: `epoch ${epoch + 1}`,
      loss: loss.toFixed(4),
      speed: count(samplesPerSecond),
      left: left < 60 ? `${left.toFixed(0)} s` : `${Math.floor(left / 60)} min ${(left % 60).toFixed(0)} s`,
    }
    if (epoch !== this.#epoch) {
      this.done()
      this.#epoch = epoch
      this.#bar.start(Math.max(total, stepInEpoch), stepInEpoch, values)
    }
    if (total !== this.#bar.getTotal() || stepInEpoch > total) this.#bar.setTotal(Math.max(total, stepInEpoch))
    this.#bar.update(stepInEpoch, values)
  }

  override validation(at: StepReport, metrics: Metrics): void {
    this.done()
    this.print(`epoch ${at.epoch + 1}, step ${at.step}: ${describe(metrics)}`)
  }

  override summary(summary: Summary): void {
    this.done()
    super.summary(summary)
  }

  override note(text: string): void {
    this.done()
    super.note(text)
  }

  /** Leaves the bar as it stands and goes to the next line; the next report begins a new one. */
  override done(): void {
    if (this.#bar.isActive) this.#bar.stop()
    this.#epoch = -1
  }
}
