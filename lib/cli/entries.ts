import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { ioError } from '../errors.js'
import type { Model } from '../models/model.js'
import type { Loadable } from '../models/storage.js'
import { commandLine, parseFlags } from './command_line.js'
import { defined } from './defined.js'
import type { Flag } from './flag.js'
import { compareFlags, entryFlags } from './flags.js'
import { findModel, optionKeys, takesOption } from './models.js'
import { keyOf, type TrainFlags, type TrainSettings, trainSettings } from './settings.js'
import { expandData } from './short_data.js'
import { dlrmFlags } from './train_flags.js'
import { UsageError } from './usage.js'

/** Flags of `dlrm compare`: those of training, and its own. */
export interface CompareFlags extends TrainFlags {
  models?: string[]
  settings?: string
  seeds?: number
  html?: string
}

/** One model to be compared. */
export interface Entry {
  name: string
  /** Kind of model. */
  kind: string
  settings: TrainSettings
  /** `dlrm train ...` that trains it alone. */
  command: string
}

type Values = { [key: string]: unknown }

/** `*` of a settings file: flags of all entries, also for the data. */
const ALL = '*'

/** What to compare, in order, and the flags that all share (for the data). Errors: UsageError naming entry and flag; `ERR_IO`. */
export async function readEntries(flags: CompareFlags): Promise<{ entries: Entry[]; shared: TrainFlags }> {
  const { models, settings, seeds: _, html: __, json: ___, data, ...line } = flags
  const file = settings === undefined ? new Map<string, Values>() : await readSettings(settings)
  const given: TrainFlags & Values = await expandData({ ...file.get(ALL), ...defined({ data }), ...line })
  const shared = { ...given, dataGeneration: given.dataGeneration ?? 'synthetic' }
  const chosen = models ?? [...file.keys()].filter(name => name !== ALL)
  if (chosen.length === 0) throw new UsageError('--models: is needed, or --settings with entries')
  const twice = chosen.find((name, i) => chosen.indexOf(name) !== i)
  if (twice) throw new UsageError(`--models: ${twice} is there twice`)
  const used = new Set<string>()
  const entries: Entry[] = []
  for (const name of chosen) entries.push(await makeEntry(name, file.get(name), shared, line, used))
  const unused = Object.keys(line).find(key => isOption(key) && !used.has(key))
  if (unused) {
    const flag = unused.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
    throw new UsageError(`--${flag}: no such option in ${chosen.join(', ')}`)
  }
  return { entries, shared }
}

/** The command line's flags win over the entry's, and those over the ones of all entries. */
async function makeEntry(
  name: string,
  own: Values | undefined,
  shared: Values,
  line: Values,
  used: Set<string>,
): Promise<Entry> {
  const model = (own?.model as string | undefined) ?? name
  const ModelClass = await findModel(model)
  const lacking = Object.keys(own ?? {}).find(key => isOption(key) && !takes(ModelClass, key))
  if (lacking) throw new UsageError(`${name}: ${ModelClass.kind} has no option ${lacking}`)
  const usable = (values: Values) => Object.entries(values).filter(([key]) => !isOption(key) || takes(ModelClass, key))
  for (const [key] of usable(line)) used.add(key)
  const flags = Object.fromEntries([
    ...usable(shared),
    ...Object.entries(own ?? {}),
    ...usable(line),
    ['model', model],
  ]) as TrainFlags
  try {
    return {
      name: own ? name : basename(name, extname(name)),
      kind: ModelClass.kind,
      settings: trainSettings(flags),
      command: commandLine('train', { model, ...flags }),
    }
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${name}: ${error.message}`)
    throw error
  }
}

const dlrmKeys = new Set<string>(dlrmFlags.map(({ spec }) => keyOf(spec.split(' ')[0]!)))

const modelKeys = new Set(optionKeys())

/** Whether a flag belongs to some model, and not to all. */
const isOption = (key: string): boolean => dlrmKeys.has(key) || modelKeys.has(key)

const takes = (ModelClass: Loadable<Model>, key: string): boolean =>
  dlrmKeys.has(key) ? ModelClass.kind === 'dlrm' : takesOption(ModelClass, key)

async function readSettings(path: string): Promise<Map<string, Values>> {
  const bad = (what: string) => new UsageError(`--settings=${path}: ${what}`)
  const text = await readFile(path, 'utf8').catch(cause => {
    throw ioError(`--settings=${path}`, cause)
  })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw bad((error as Error).message)
  }
  const isObject = (x: unknown): x is Values => typeof x === 'object' && x !== null && !Array.isArray(x)
  if (!isObject(json)) throw bad('expected an object of entries')
  const all: Flag[] = Object.entries(compareFlags).flatMap(([heading, flags]) =>
    heading === 'Comparison:' ? [] : flags,
  )
  const entries = Object.entries(json).map(([name, entry]): [string, Values] => {
    if (!isObject(entry)) throw bad(`${JSON.stringify(name)}: expected an object of flags`)
    const { model, ...flags } = entry
    if (model !== undefined && (typeof model !== 'string' || name === ALL)) {
      throw bad(`${JSON.stringify(name)}: model: expected the kind of one entry`)
    }
    const parsed = parseFlags(flags, name === ALL ? all : entryFlags, `--settings=${path}: ${JSON.stringify(name)}`)
    return [name, { ...parsed, ...(model === undefined ? {} : { model }) }]
  })
  return new Map(entries)
}
