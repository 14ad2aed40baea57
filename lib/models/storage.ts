import { Schema } from '../data/schema.js'
import { DlrmError } from '../errors.js'
import { openSafetensors, type SafetensorsFile, writeSafetensors } from '../format/safetensors.js'
import type { DLRMConfig } from './dlrm.js'
import type { Model } from './model.js'

const VERSION = 1

/** What a file's metadata says about the model in it. */
export interface ModelHeader {
  kind: string
  config: object
  schema?: unknown
}

/** The metadata that makes a file of tensors a model. */
export function describeModel(model: Model): Record<string, string> {
  const { kind, config, schema } = model
  return { format: 'pt', dlrm: JSON.stringify({ version: VERSION, kind, config, schema }) }
}

export async function saveModel(model: Model, path: string): Promise<void> {
  await writeSafetensors(path, model.entries({ optimizer: false }), describeModel(model))
}

/** What `describeModel` wrote; undefined for a file of bare tensors. Errors: `ERR_FORMAT`. */
export function readHeader(file: SafetensorsFile): ModelHeader | undefined {
  const text = file.metadata.dlrm
  if (text === undefined) return undefined
  let header: { version: number } & ModelHeader
  try {
    header = JSON.parse(text)
  } catch (cause) {
    throw new DlrmError('ERR_FORMAT', `${file.path}: its "dlrm" metadata is not JSON`, { cause })
  }
  if (typeof header !== 'object' || header === null || typeof header.config !== 'object' || header.config === null) {
    throw new DlrmError('ERR_FORMAT', `${file.path}: its "dlrm" metadata has no config`)
  }
  if (header.version !== VERSION) {
    throw new DlrmError('ERR_FORMAT', `${file.path}: expected version ${VERSION}, the file has ${header.version}`)
  }
  return header
}

/** A class of models that a file can be read into. */
export interface Loadable<M extends Model> {
  readonly kind: string
  // biome-ignore lint/suspicious/noExplicitAny: each class has options of its own
  new (options: any): M
}

/** Reads a file into a model of this class. `bare` gives the config for a file of tensors without a header. */
export async function loadModel<M extends Model>(
  path: string,
  ModelClass: Loadable<M>,
  options: object,
  bare?: (file: SafetensorsFile) => object,
): Promise<M> {
  return withFile(path, file => read(file, ModelClass, options, bare))
}

/** Reads a model of whatever kind the file says. Errors: `ERR_IO`; `ERR_FORMAT`, also for a kind that `kinds` lacks. */
export async function loadAnyModel(
  path: string,
  kinds: ReadonlyMap<string, Loadable<Model>>,
  options: object,
): Promise<Model> {
  return withFile(path, file => {
    const kind = readHeader(file)?.kind ?? 'dlrm'
    const ModelClass = kinds.get(kind)
    if (!ModelClass) {
      const known = [...kinds.keys()].join(', ')
      throw new DlrmError('ERR_FORMAT', `${path}: it holds a model of kind "${kind}"; known kinds are ${known}`)
    }
    return read(file, ModelClass, options, configFromShapes)
  })
}

async function withFile<T>(path: string, body: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  const file = await openSafetensors(path)
  try {
    return await body(file)
  } finally {
    await file.close()
  }
}

async function read<M extends Model>(
  file: SafetensorsFile,
  ModelClass: Loadable<M>,
  options: object,
  bare?: (file: SafetensorsFile) => object,
): Promise<M> {
  const header = readHeader(file)
  if (header && header.kind !== ModelClass.kind) {
    throw new DlrmError(
      'ERR_FORMAT',
      `${file.path}: it holds a model of kind "${header.kind}", expected ${ModelClass.kind}`,
    )
  }
  if (!header && !bare) throw new DlrmError('ERR_FORMAT', `${file.path}: it has no "dlrm" metadata`)
  const config = header ? header.config : bare!(file)
  let model: M
  try {
    model = new ModelClass({ ...config, ...options })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new DlrmError('ERR_FORMAT', `${file.path}: its config makes no model: ${why}`, { cause })
  }
  await model.readEntries(file, { optimizer: false })
  if (header?.schema !== undefined) model.schema = Schema.fromJSON(header.schema)
  return model
}

/** The sizes of a DLRM, from the tensors of a bare state_dict. */
export function configFromShapes(file: SafetensorsFile): DLRMConfig {
  const shapes = (pattern: (i: number) => string): number[][] => {
    const found: number[][] = []
    for (let i = 0; file.tensors.has(pattern(i)); i++) found.push([...file.tensors.get(pattern(i))!.shape])
    return found
  }
  const tables = shapes(t => `emb_l.${t}.weight`)
  const bottom = shapes(i => `bot_l.${2 * i}.weight`)
  const top = shapes(i => `top_l.${2 * i}.weight`)
  if (!tables[0] || !top[0]) {
    throw new DlrmError('ERR_FORMAT', `${file.path}: expected tensors emb_l.0.weight and top_l.0.weight of a DLRM`)
  }
  const embeddingDim = tables[0][1]!
  const hasDense = bottom.length > 0
  const vectors = tables.length + (hasDense ? 1 : 0)
  const first = hasDense ? embeddingDim : 0
  const pairs = (vectors * (vectors - 1)) / 2
  const inputs = { dot: first + pairs, itself: first + pairs + vectors, cat: vectors * embeddingDim }
  const kind = (['dot', 'itself', 'cat'] as const).find(name => inputs[name] === top[0]![1])
  if (!kind) {
    throw new DlrmError(
      'ERR_FORMAT',
      `${file.path}: top_l.0.weight has ${top[0][1]} columns; with ${vectors} vectors of ${embeddingDim} expected ` +
        `${inputs.dot} (dot), ${inputs.itself} (dot with itself) or ${inputs.cat} (cat)`,
    )
  }
  return {
    dense: bottom[0]?.[1] ?? 0,
    tables: tables.map(shape => shape[0]!),
    embeddingDim,
    bottom: bottom.map(shape => shape[0]!),
    top: top.map(shape => shape[0]!),
    interaction: kind === 'cat' ? 'cat' : 'dot',
    interactionItself: kind === 'itself',
    weightedPooling: file.tensors.has('v_W_l.0') ? 'learned' : 'fixed',
  }
}
