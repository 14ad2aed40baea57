import {
  type ComparedRun,
  type Comparison,
  type Entrant,
  type Row,
  showSpread,
  summarise,
} from '../report/comparison.js'
import type { Progress } from '../train/fit_options.js'
import type { Io } from './io.js'
import { count, metricsJson } from './output.js'

/** What is said while a comparison runs, and its table. */
export class CompareReporter {
  readonly #io: Io
  readonly #json: boolean
  readonly #seeds: number
  #running = ''

  constructor(io: Io, options: { json: boolean; seeds: number }) {
    this.#io = io
    this.#json = options.json
    this.#seeds = options.seeds
  }

  start({ name }: Entrant, seed: number): void {
    this.#running = this.#seeds > 1 ? `${name}, seed ${seed}` : name
    this.#live('')
  }

  progress({ epoch, step, loss, samplesPerSecond }: Progress): void {
    this.#live(`: epoch ${epoch + 1}, step ${step}, loss ${loss.toFixed(4)}, ${count(samplesPerSecond)} samples/s`)
  }

  run({ name, model }: Entrant, run: ComparedRun): void {
    const { seed, metrics, steps, epochs, seconds, samplesPerSecond, bestStep } = run
    const { auc, logloss } = metrics
    if (this.#json) {
      const speed = { train_seconds: seconds, samples_per_second: samplesPerSecond, best_step: bestStep }
      this.#print({ event: 'run', name, model, seed, ...metricsJson(metrics), steps, epochs, ...speed })
      return
    }
    const ranking = auc === null ? `rmse ${metrics.rmse.toFixed(5)}` : `auc ${auc.toFixed(5)}`
    const quality = logloss === null ? ranking : `${ranking}, logloss ${logloss.toFixed(5)}`
    this.note(`${this.#running}: ${quality}, ${epochs} epochs, ${count(steps)} steps, ${seconds.toFixed(2)} s`)
  }

  failed({ error }: Entrant): void {
    this.note(`${this.#running} failed: ${error}`)
  }

  /** A line of its own on standard error. */
  note(text: string): void {
    this.#io.stderr.write(`${this.#io.terminal ? '\r\x1b[K' : ''}${text}\n`)
  }

  end(comparison: Comparison, page: string | undefined): void {
    const { entrants, split, stopped } = comparison
    if (this.#io.terminal) this.#io.stderr.write('\r\x1b[K')
    if (stopped) this.note('stopped: these are the runs that were finished')
    if (this.#json) for (const entrant of entrants) this.#print(rowJson(summarise(entrant), split, entrant.error))
    else this.#io.stdout.write(table(entrants.map(summarise), split))
    if (page !== undefined) this.note(`wrote ${page}`)
  }

  /** Rewrites the last line of a terminal. */
  #live(text: string): void {
    if (this.#io.terminal && !this.#json) this.#io.stderr.write(`\r\x1b[K${this.#running}${text}`)
  }

  #print(object: object): void {
    this.#io.stdout.write(`${JSON.stringify(object)}\n`)
  }
}

function rowJson(
  { name, model, seeds, auc, logloss, rmse, ...row }: Row,
  split: string,
  error: string | undefined,
): object {
  return {
    event: 'model',
    name,
    model,
    split,
    seeds,
    auc: auc?.mean ?? null,
    auc_deviation: auc?.deviation ?? null,
    logloss: logloss?.mean ?? null,
    logloss_deviation: logloss?.deviation ?? null,
    rmse: rmse?.mean ?? null,
    rmse_deviation: rmse?.deviation ?? null,
    parameters: row.parameters,
    samples_per_second: row.samplesPerSecond,
    train_seconds: row.seconds,
    error: error ?? null,
  }
}

/** The figures as lines of text, one model each, in the order given. */
export function table(rows: readonly Row[], split: string): string {
  const numbers = rows.every(row => row.auc === null) && rows.some(row => row.rmse !== null)
  const quality: [string, (row: Row) => string][] = numbers
    ? [[`${split} RMSE`, row => showSpread(row.rmse)]]
    : [
        [`${split} AUC`, row => showSpread(row.auc)],
        ['logloss', row => showSpread(row.logloss)],
      ]
  const columns: [string, (row: Row) => string][] = [
    ['model', row => row.name],
    ...quality,
    ['seeds', row => String(row.seeds)],
    ['parameters', row => count(row.parameters)],
    ['samples/s', row => (row.samplesPerSecond === null ? 'n/a' : count(row.samplesPerSecond))],
    ['seconds', row => row.seconds?.toFixed(2) ?? 'n/a'],
  ]
  const cells = [columns.map(([title]) => title), ...rows.map(row => columns.map(([, show]) => show(row)))]
  const widths = columns.map((_, c) => Math.max(...cells.map(line => line[c]!.length)))
  const pad = (text: string, c: number) => (c === 0 ? text.padEnd(widths[c]!) : text.padStart(widths[c]!))
  return cells.map(line => `${line.map(pad).join('  ')}\n`).join('')
}
