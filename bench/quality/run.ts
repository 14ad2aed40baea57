/**
 * Every model on Frappe, against what it should reach: `npm run quality -- [options]`; minutes, not part of the tests.
 *
 *   --only=fm,dcn       entries of frappe.json; default all
 *   --seeds=3           runs of each; the figure that counts is their mean
 *   --html=report.html  also the page with the curves
 *   --commands          no training: print the `dlrm train` command of each entry
 *
 * The data is looked for in ../shared/data/frappe, or `DLRM_DATA`/frappe: train.csv, valid.csv and test.csv. Training stops early on
 * validation. Ends with exit code 1 if an entry falls short.
 */
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compareModels } from '../../lib/cli/compare.js'
import { type CompareFlags, readEntries } from '../../lib/cli/entries.js'
import { processIo } from '../../lib/cli/io.js'
import { UsageError } from '../../lib/cli/usage.js'
import { DlrmError } from '../../lib/errors.js'
import { machine } from '../report.js'
import { PredictionTimes } from './prediction_times.js'
import { targetOf, verdicts } from './targets.js'

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    seeds: { type: 'string', default: '3' },
    html: { type: 'string' },
    commands: { type: 'boolean', default: false },
  },
})

function fail(message: string): never {
  console.error(`quality: ${message}`)
  process.exit(1)
}

function flags(): CompareFlags {
  const seeds = Number(options.seeds)
  if (!(Number.isInteger(seeds) && seeds > 0)) fail(`--seeds=${options.seeds}: expected a number of runs`)
  const root = fileURLToPath(new URL('../../../..', import.meta.url))
  const folder = join(process.env.DLRM_DATA ?? join(root, '..', 'shared', 'data'), 'frappe')
  const file = (name: string) => relative('', join(folder, name))
  if (!existsSync(file('train.csv'))) fail(`${file('train.csv')} is not there: set DLRM_DATA`)
  return {
    settings: relative('', join(root, 'bench', 'quality', 'frappe.json')),
    seeds,
    data: file('train.csv'),
    validDataFile: file('valid.csv'),
    testDataFile: file('test.csv'),
    ...(options.only ? { models: options.only.split(',') } : {}),
    ...(options.html ? { html: options.html } : {}),
  }
}

async function printCommands(): Promise<void> {
  const { entries } = await readEntries(flags())
  for (const { command } of entries) console.log(command)
}

async function judge(): Promise<number> {
  console.log(machine())
  const times = new PredictionTimes('deeplight', 'deeplight_dense')
  const nowhere = { write: () => true } as unknown as NodeJS.WritableStream // the verdicts are the table
  const comparison = await compareModels(
    flags(),
    { ...processIo(), stdout: nowhere },
    {
      onModel: ({ name }, model) => times.add(name, model),
      adjust: ({ entrants }) => {
        for (const entrant of entrants) {
          const target = targetOf(entrant.name, entrants)
          if (target !== undefined) entrant.target = target
        }
      },
    },
  )
  const { lines, short } = verdicts(comparison.entrants)
  console.log(lines.join('\n'))
  const slow = times.judge(2)
  for (const line of slow.lines) console.log(line)
  const missing = [...short, ...slow.short]
  if (missing.length > 0) console.log(`short: ${missing.join('; ')}`)
  return comparison.code || (missing.length > 0 ? 1 : 0)
}

try {
  if (options.commands) await printCommands()
  else process.exitCode = await judge()
} catch (error) {
  if (error instanceof UsageError || error instanceof DlrmError) fail(error.message)
  throw error
}
