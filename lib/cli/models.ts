import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { InvalidArgumentError } from 'commander'
import type { LoadOptions, ModelClass, ModelOptions } from '../models/define.js'
import { modelKinds } from '../models/kinds.js'
import type { Model } from '../models/model.js'
import type { Option, Options } from '../models/options.js'
import type { Loadable } from '../models/storage.js'
import type { Device } from '../native.js'
import { defined } from './defined.js'
import type { Flag } from './flag.js'
import { UsageError } from './usage.js'

const kebab = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

const isDefined = (model: Loadable<Model>): model is ModelClass => 'definition' in model

/** The options of a model that are flags; DLRM has the reference's flags beside a few of these. */
const optionsOf = (model: Loadable<Model>): Options =>
  isDefined(model) ? model.definition.options : ((model as { options?: Options }).options ?? {})

interface SharedOption {
  option: Option<unknown>
  /** The models that have it, and their defaults. */
  users: { kind: string; value: unknown }[]
}

function optionsByName(): Map<string, SharedOption> {
  const all = new Map<string, SharedOption>()
  for (const [kind, model] of modelKinds) {
    for (const [name, option] of Object.entries(optionsOf(model))) {
      const shared = all.get(name) ?? { option, users: [] }
      all.set(name, shared)
      shared.users.push({ kind, value: option.default })
    }
  }
  return all
}

const show = (value: unknown): string =>
  value === null
    ? 'none'
    : typeof value === 'object' && !Array.isArray(value)
      ? Object.entries(value)
          .map(pair => pair.join('='))
          .join() || 'none'
      : Array.isArray(value)
        ? value.flat().join('-') || 'none'
        : value === false
          ? 'off'
          : value === true
            ? 'on'
            : String(value)

/** `default 10`, or `default 4; fm 10` where models differ, and which models have the option unless all do. */
function defaults(users: SharedOption['users']): string {
  const counts = new Map<string, string[]>()
  for (const { kind, value } of users) counts.set(show(value), [...(counts.get(show(value)) ?? []), kind])
  const [first, ...others] = [...counts].sort((a, b) => b[1].length - a[1].length)
  return [`default ${first![0]}`, ...others.map(([value, kinds]) => `${kinds.join(', ')} ${value}`)].join('; ')
}

/** One flag for every option that a model of the package has. */
export function modelFlags(): Flag[] {
  return [...optionsByName()].map(([name, { option, users }]) => {
    const value = typeof option.default === 'boolean' ? `[${option.placeholder}]` : `<${option.placeholder}>`
    const who = users.length < modelKinds.size ? ` [${users.map(user => user.kind).join(', ')}]` : ''
    return {
      spec: `--${kebab(name)} ${value}`,
      help: `${option.help} (${defaults(users)})${who}`,
      parse: (text: string) => {
        const parsed = option.parse(text)
        const expected = option.expected(parsed)
        if (expected) throw new InvalidArgumentError(`Expected ${expected}.`)
        return parsed
      },
    }
  })
}

/** What `--model` may be, for its help. */
export const modelList = (): string => [...modelKinds.keys()].join(', ')

/** A model of the package by name, or the default export of a module. Errors: UsageError. */
export async function findModel(name: string): Promise<Loadable<Model>> {
  const known = modelKinds.get(name)
  if (known) return known
  if (!existsSync(name)) throw new UsageError(`--model=${name}: expected ${modelList()}, or a JavaScript file`)
  const { default: own } = await import(pathToFileURL(resolve(name)).href)
  if (typeof own === 'function' && typeof own.kind === 'string' && 'definition' in own) return own
  throw new UsageError(`--model=${name}: its default export is not a model of defineModel`)
}

/** The kind of model in a file; bare tensors are DLRM's. */
export async function kindOf(path: string): Promise<string> {
  const { openSafetensors } = await import('../format/safetensors.js')
  const { readHeader } = await import('../models/storage.js')
  const file = await openSafetensors(path)
  try {
    return readHeader(file)?.kind ?? 'dlrm'
  } finally {
    await file.close()
  }
}

/** The model in a file, for prediction. `own`: where its class is, if it is not of this package. Errors: UsageError. */
export async function openModel(
  path: string,
  own?: string,
  flags: Pick<LoadOptions, 'precision' | 'tableDtype'> & { useGpu?: boolean } = {},
): Promise<Model> {
  const { precision, tableDtype } = flags
  const kind = own ?? (await kindOf(path))
  if (!own && !modelKinds.has(kind)) {
    throw new UsageError(`${path}: it holds a model of kind "${kind}", not of this package: say --model=<its file>`)
  }
  return ((await findModel(kind)) as ModelClass).load(path, {
    ...defined({ precision, tableDtype }),
    ...deviceOf(flags),
  })
}

/** --use-gpu as an option of models. */
export const deviceOf = ({ useGpu }: { useGpu?: boolean }): { device?: Device } => (useGpu ? { device: 'cuda' } : {})

/** Options of models among the flags, by flag name. */
export function givenOptions(flags: object): { [flag: string]: unknown } {
  const values = flags as { [name: string]: unknown }
  const given = optionKeys().filter(name => values[name] !== undefined)
  return Object.fromEntries(given.map(name => [kebab(name), values[name]]))
}

/** Keys of the flags that are options of some model. */
export const optionKeys = (): string[] => [...optionsByName().keys(), 'modelOptions']

/** Whether a model has this option of `optionKeys`. */
export function takesOption(ModelClass: Loadable<Model>, key: string): boolean {
  return Object.hasOwn(optionsOf(ModelClass), key) || (key === 'modelOptions' && !modelKinds.has(ModelClass.kind))
}

/** A new model of this class with the options among the flags. Errors: UsageError for options that it does not have. */
export function makeModel(ModelClass: Loadable<Model>, flags: object, inputs: ModelOptions): Model {
  return new ModelClass({ ...inputs, ...chosenOptions(ModelClass, flags) })
}

/** The options of this class among the flags. Errors: UsageError for options that it does not have. */
export function chosenOptions(ModelClass: Loadable<Model>, flags: object): { [name: string]: unknown } {
  const { kind } = ModelClass
  const values = flags as { [name: string]: unknown }
  const options = optionsOf(ModelClass)
  const given = { ...(values.modelOptions as { [name: string]: unknown } | undefined) }
  for (const name of optionsByName().keys()) {
    if (values[name] === undefined) continue
    if (!Object.hasOwn(options, name)) {
      const known = Object.keys(options).map(option => `--${kebab(option)}`)
      throw new UsageError(`--${kebab(name)}: ${kind} has no such option; it has ${known.join(', ') || 'none'}`)
    }
    given[name] = values[name]
  }
  return given
}
