import { cpus } from 'node:os'
import { atomicWrite } from '../format/atomic.js'
import { native } from '../native.js'
import type { Comparison } from '../report/comparison.js'
import type { ReportFacts } from '../report/page.js'
import { commandLine } from './command_line.js'
import { CompareReporter } from './compare_output.js'
import { type CompareOptions, runComparison } from './compare_run.js'
import { type CompareFlags, readEntries } from './entries.js'
import type { Io } from './io.js'
import { openData, type RunData } from './open_data.js'
import { count } from './output.js'
import { hasClicks, trainSettings } from './settings.js'
import { checkFolder } from './setup.js'
import { stopOnSignals } from './signals.js'
import { UsageError } from './usage.js'
import { version } from './version.js'

/** `dlrm compare`. Resolves to the exit code: 0, 1 if a run failed, or 128 + the number of the signal that stopped it. */
export async function compare(given: CompareFlags, io: Io): Promise<number> {
  const comparison = await compareModels(given, io)
  return comparison.code || (comparison.entrants.some(entrant => entrant.error !== undefined) ? 1 : 0)
}

/** What a caller of `compareModels` may add. */
export interface CompareHooks {
  onModel?: CompareOptions['onModel']
  /** Changes what was compared before the page is written. */
  adjust?(comparison: Comparison): void
}

/** The same, resolving to what was compared. */
export async function compareModels(
  given: CompareFlags,
  io: Io,
  { onModel, adjust }: CompareHooks = {},
): Promise<Comparison & { code: number }> {
  const { entries, shared } = await readEntries(given)
  const settings = trainSettings(shared)
  if (!hasClicks(settings.mode))
    throw new UsageError('--data-generation: expected synthetic or dataset: random labels teach nothing')
  if (settings.threads !== undefined) native.threads(settings.threads)
  const { seeds = 1, html, json = false } = given
  if (html !== undefined) await checkFolder('--html', html)
  const reporter = new CompareReporter(io, { json, seeds })
  const data = await openData(settings)
  const stop = stopOnSignals()
  try {
    const comparison = await runComparison(entries, data, {
      seeds,
      signal: stop.signal,
      onStart: (entrant, seed) => reporter.start(entrant, seed),
      onProgress: (_, progress) => reporter.progress(progress),
      onRun: (entrant, run) => reporter.run(entrant, run),
      onError: entrant => reporter.failed(entrant),
      ...(onModel ? { onModel } : {}),
    })
    adjust?.(comparison)
    if (html !== undefined) {
      const { reportPage } = await import('../report/page.js')
      const page = Buffer.from(reportPage(comparison, facts(given, data)))
      await atomicWrite(html, append => append(page))
    }
    reporter.end(comparison, html)
    return { ...comparison, code: stop.code }
  } finally {
    stop.dispose()
    await data.close()
  }
}

/** What the page says of how the figures came about. */
function facts(given: CompareFlags, { train, valid, test }: RunData): ReportFacts {
  const rows = [train, valid, test].flatMap(source => (source?.size ? [`${source.name} ${count(source.size)}`] : []))
  const processor = cpus()[0]?.model.trim() ?? process.arch
  const gpu = given.useGpu ? native.cuda() : undefined
  return {
    command: commandLine('compare', given),
    details: [
      ...(rows.length > 0 ? [['examples', rows.join(', ')] as const] : []),
      ['machine', `${processor}, ${native.threads()} threads, ${native.isa()}${gpu?.available ? `, ${gpu.name}` : ''}`],
      ['date', new Date().toISOString().slice(0, 16).replace('T', ' ')],
      ['versions', `dlrm ${version()}, Node ${process.version}`],
    ],
  }
}
