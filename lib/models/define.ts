import { DlrmError } from '../errors.js'
import { GraphBuilder, type GraphInputs, type GraphNumbers, type Value } from '../graph/builder.js'
import type { Device, Isa } from '../native.js'
import { Model } from './model.js'
import { complete, type Options, type Values } from './options.js'

/** A model: how its graph is written down, and which options that takes. See {@link defineModel}. */
export interface ModelDefinition<O extends Options> {
  /** The model's name in files and on the command line. */
  kind: string
  /** What it is, with its paper, in one line for `--help`. */
  about: string
  /** Its options beside the inputs; each is also a flag of `dlrm train --model=<kind>`. */
  options: O
  /** Adds the nodes, top to bottom, as the data flows. */
  graph(g: GraphBuilder, options: Values<O>): GraphEnd
}

/** The values at the end of a graph, and what the prediction is: a click probability (default), or a number such as a rating. */
export interface GraphEnd {
  /** `[1, 1]`, what a step minimises. */
  loss: Value
  /** `[B, 1]` */
  prediction: Value
  predicts?: Model['predicts']
}

/** What every model takes beside its own options. */
export interface ModelOptions extends Partial<GraphInputs>, GraphNumbers {
  /** Rows R of each table: one column of ids each. */
  tables: readonly number[]
  /** Key of the counter-based generator that draws the initial parameters; default 1. */
  seed?: number
  /** Kernels to use; default the best of this machine, or DLRM_ISA. */
  isa?: Isa
  /**
   * Where the model lives: `cpu` (default), or `cuda`, the NVIDIA GPU that `cuda()` tells of; parameters start the same on both.
   * Errors of the constructor then: `ERR_DEVICE` without GPU, driver or plugin, `ERR_MEMORY` where its memory does not suffice,
   * `ERR_ARGUMENT` naming an op that has no kernels there.
   */
  device?: Device
}

/**
 * What `load` can change of a saved model. `tableDtype`: tables of floats of any kind are rounded to it, or quantised; int8 and
 * int4 stay as they are.
 */
export type LoadOptions = Pick<ModelOptions, 'isa' | 'device' | 'precision' | 'tableDtype'>

/** A class of models, as {@link defineModel} makes it. */
export interface ModelClass<O extends Options = Options, M extends Model = Model> {
  new (options: ModelOptions & Partial<Values<O>>): M
  readonly kind: string
  readonly definition: ModelDefinition<O>
  /**
   * Reads a model that `save` wrote.
   * Errors: `ERR_IO`, `ERR_FORMAT`, also for a file of another kind of model.
   */
  load(path: string, options?: LoadOptions): Promise<M>
}

/** A model made by {@link defineModel}: `config` is what it was made with, defaults filled in. */
export interface DefinedModel<O extends Options> extends Model {
  readonly config: Required<Pick<GraphInputs, 'dense' | 'tables'>> &
    Omit<GraphInputs, 'dense' | 'tables'> &
    GraphNumbers &
    Values<O>
}

/**
 * Makes a class of models from a graph and its options: it trains (`fit`, `compile` + `step`), predicts, saves and loads like
 * those of this package, which are made the same way.
 *
 * ```ts
 * const Logistic = defineModel({
 *   kind: 'logistic',
 *   about: 'logistic regression',
 *   options: { bias: flag(true, 'a bias') },
 *   graph: (g, { bias }) => clicks(g, ops.linearBag(g, 'linear', { bias })),
 * })
 * const model = new Logistic({ tables: [1000, 50] })
 * ```
 *
 * The constructor's errors: `ERR_ARGUMENT` for a bad option, `ERR_SHAPE` for sizes that do not fit, `ERR_MEMORY`, `ERR_DEVICE`.
 */
export function defineModel<const O extends Options>(definition: ModelDefinition<O>): ModelClass<O, DefinedModel<O>> {
  const { kind, options } = definition
  const taken = [...INPUTS, 'seed', 'isa', 'device', 'precision', 'tableDtype'].find(name =>
    Object.hasOwn(options, name),
  )
  if (taken) throw new DlrmError('ERR_ARGUMENT', `[${kind}] ${taken}: every model has this option already`)

  class Defined extends Model {
    static readonly kind = kind
    static readonly definition = definition
    readonly kind = kind
    override readonly predicts: Model['predicts']
    readonly config: DefinedModel<O>['config']

    constructor({ seed = 1, isa, device, precision, tableDtype, ...given }: ModelOptions & Partial<Values<O>>) {
      const { inputs, rest } = splitInputs(kind, given)
      const values = complete(kind, options, rest)
      const g = new GraphBuilder(inputs, { precision, tableDtype })
      const end = definition.graph(g, values)
      super(g.build(end), { seed, isa, device })
      this.predicts = end.predicts ?? 'probability'
      const numbers = { ...(precision ? { precision } : {}), ...(tableDtype ? { tableDtype } : {}) }
      this.config = { ...inputs, ...numbers, ...values }
    }

    static async load(path: string, extra: LoadOptions = {}): Promise<DefinedModel<O>> {
      const { loadModel } = await import('./storage.js')
      return loadModel(path, Defined, extra)
    }
  }
  return Defined
}

const INPUTS = ['dense', 'tables', 'tableNames', 'columns', 'buckets'] as const

function splitInputs(
  kind: string,
  given: Omit<ModelOptions, 'seed' | 'isa' | 'device' | keyof GraphNumbers> & { [name: string]: unknown },
) {
  const { dense = 0, tables, tableNames, columns, buckets, ...rest } = given
  const bad = (name: string, expected: string, received: unknown) =>
    new DlrmError('ERR_ARGUMENT', `[${kind}] ${name}: expected ${expected}, received ${JSON.stringify(received)}`)
  const isSize = (n: unknown, least: number) => Number.isSafeInteger(n) && (n as number) >= least
  if (!isSize(dense, 0)) throw bad('dense', 'an integer >= 0', dense)
  if (!Array.isArray(tables) || !tables.every(rows => isSize(rows, 1))) throw bad('tables', 'integers >= 1', tables)
  if (tables.length === 0 && dense === 0) throw bad('tables', 'at least one table or dense feature', tables)
  if (tableNames !== undefined && tableNames.length !== tables.length) {
    throw bad('tableNames', `${tables.length} names, one per table`, tableNames)
  }
  const inputs: GraphInputs = {
    dense,
    tables: [...tables],
    ...(tableNames ? { tableNames: [...tableNames] } : {}),
    ...(columns ? { columns } : {}),
    ...(buckets ? { buckets } : {}),
  }
  return { inputs, rest }
}
