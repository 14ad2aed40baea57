import type { Model } from '../models/model.js'
import type { ComparedRun, Comparison, Entrant } from '../report/comparison.js'
import type { Progress } from '../train/fit_options.js'
import type { Entry } from './entries.js'
import type { RunData } from './open_data.js'
import type { TrainSettings } from './settings.js'
import { finalMetrics, fitOptions, newModel, validSource } from './setup.js'
import { UsageError } from './usage.js'

/** Reports of an epoch that the curves are drawn from, where its length is known. */
const REPORTS = 50

export interface CompareOptions {
  seeds: number
  signal: AbortSignal
  onStart?(entrant: Entrant, seed: number): void
  onProgress?(entrant: Entrant, progress: Progress): void
  onRun?(entrant: Entrant, run: ComparedRun): void
  onError?(entrant: Entrant): void
  /** The trained model of a run, before it is forgotten. */
  onModel?(entrant: Entrant, model: Model): void | Promise<void>
}

/**
 * Trains every entry with every seed, one after the other: all entries with the first seed, then all with the next, so that
 * what a signal leaves is as fair as it can be. A run that fails ends its entry, not the others.
 * Errors: UsageError for an entry that makes no model of this data.
 */
export async function runComparison(
  entries: readonly Entry[],
  data: RunData,
  options: CompareOptions,
): Promise<Comparison> {
  const entrants: Entrant[] = []
  for (const entry of entries) entrants.push(await entrantOf(entry, data))
  const comparison: Comparison = { entrants, split: (data.test ?? data.valid)?.name ?? 'test', stopped: false }
  for (let i = 0; i < options.seeds; i++) {
    for (const [e, { settings }] of entries.entries()) {
      const entrant = entrants[e]!
      if (entrant.error !== undefined) continue
      const seed = settings.seed + i
      options.onStart?.(entrant, seed)
      try {
        const run = await runOne({ ...settings, seed }, data, entrant, options)
        if (options.signal.aborted) return { ...comparison, stopped: true }
        entrant.runs.push(run!)
        options.onRun?.(entrant, run!)
      } catch (error) {
        entrant.error = (error as Error).message
        options.onError?.(entrant)
      }
    }
  }
  return comparison
}

/** Makes the model once, to tell at once that it cannot be made, and to count its parameters. */
async function entrantOf({ name, kind, command, settings }: Entry, data: RunData): Promise<Entrant> {
  try {
    validSource(settings, data)
    const { parameterCount } = await newModel(settings, data)
    return { name, model: kind, command, parameters: parameterCount, runs: [] }
  } catch (error) {
    throw new UsageError(`${name}: ${(error as Error).message}`)
  }
}

/** Undefined if a signal ended it. */
async function runOne(
  settings: TrainSettings,
  data: RunData,
  entrant: Entrant,
  { signal, onProgress, onModel }: CompareOptions,
): Promise<ComparedRun | undefined> {
  const model = await newModel(settings, data)
  const { schema, train, close } = data
  const valid = validSource(settings, data)
  const training: ComparedRun['training'] = []
  const validation: ComparedRun['validation'] = []
  const result = await model.fit(
    { schema, train, close, ...(valid ? { valid } : {}) },
    {
      ...(await fitOptions(settings, model)),
      signal,
      progressEvery: reportEvery(settings, data),
      onProgress: progress => {
        const { step, seconds, loss, valid: metrics } = progress
        if (metrics) validation.push({ step, seconds, metrics })
        else training.push({ step, seconds, loss })
        onProgress?.(entrant, progress)
      },
    },
  )
  if (signal.aborted) return undefined
  const { steps, epochs, seconds, samplesPerSecond, best } = result
  const { metrics } = (await finalMetrics(settings, data, model, result))!
  await onModel?.(entrant, model)
  return {
    seed: settings.seed,
    metrics,
    steps,
    epochs,
    seconds,
    samplesPerSecond,
    bestStep: best?.step ?? null,
    training,
    validation,
  }
}

function reportEvery({ miniBatchSize, numBatches }: TrainSettings, { train }: RunData): number {
  const rows = train.size ?? train.estimatedSize ?? miniBatchSize * REPORTS
  const steps = Math.min(numBatches || Number.POSITIVE_INFINITY, rows / miniBatchSize)
  return Math.max(1, Math.round(steps / REPORTS))
}
