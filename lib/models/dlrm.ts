import type { RandomState } from '../data/numpy_random.js'
import { DlrmError } from '../errors.js'
import { GraphBuilder, type GraphInputs, type Precision } from '../graph/builder.js'
import { bceLoss, concat, interactionDot, mseLoss, sigmoid } from '../graph/ops.js'
import { tower } from '../graph/tower.js'
import type { Device, GraphSpec, Isa, TableDtype } from '../native.js'
import { completeCompression, embeddings, type MdConfig, type QrConfig, referenceTables } from './compress.js'
import { Model, type Tensor } from './model.js'
import { common, type Option, complete as optionValues, sizesByColumn } from './options.js'

/** What makes a DLRM: sizes, interaction and loss. Saved with the model. */
export interface DLRMConfig {
  /** Dense features D (Criteo: 13); 0 for none, then there is no bottom MLP. */
  dense: number
  /** Rows R of each table. */
  tables: number[]
  /** Width E of every embedding. */
  embeddingDim: number
  /** Hidden layers of the bottom MLP; a last layer of width E is added unless it ends in E already. */
  bottom?: number[]
  /** Hidden layers of the top MLP; a last layer of width 1 is added unless it ends in 1 already. */
  top?: number[]
  /** How the vectors meet: dot products of all pairs (default), or concatenation. */
  interaction?: 'dot' | 'cat'
  /** Also the product of each vector with itself. */
  interactionItself?: boolean
  /** How a bag becomes one vector; default sum. */
  pooling?: 'sum' | 'mean' | 'max'
  /** `learned`: one trained factor per row, starting at 1 (the reference's --weighted-pooling). */
  weightedPooling?: 'fixed' | 'learned'
  /** Quotient-remainder tables; not with `md`, learned factors or max pooling. Default null: none. */
  qr?: QrConfig | null
  /** Tables of mixed dimension; not with `qr`, learned factors or max pooling. Default null: none. */
  md?: MdConfig | null
  /** Binary cross entropy (default), mean squared error of the probability, or class-weighted cross entropy. */
  loss?: 'bce' | 'mse' | 'wbce'
  /** [weight of label 0, weight of label 1] for wbce. */
  lossWeights?: [number, number]
  /** Clamps the probability to [t, 1 - t] when 0 < t < 1. */
  lossThreshold?: number
  /** Computes bce and wbce from float32 probabilities, with their lost digits, as the reference does; default false. */
  lossSaturates?: boolean
  /** Normalisation before the activation of each hidden layer of both MLPs; default none. */
  norm?: 'none' | 'batch' | 'layer'
  /** Share of the activations of each hidden layer of both MLPs that a training step drops; default 0. */
  dropout?: number
  /** Deviation of the normal distribution that tables start from; default null: the reference's uniform in +-sqrt(1 / R). */
  embeddingStd?: number | null
  /** With `interaction: 'cat'`: widths of the embeddings of single columns instead of E, by name. */
  embeddingDims?: { readonly [column: string]: number }
  /** Names of the tables, for error messages, and for what follows. */
  tableNames?: string[]
  /** By name of the column: pooling of its own, and columns that share a table. */
  columns?: GraphInputs['columns']
  /** Dense features that are cut into buckets, whose tables follow the others. */
  buckets?: GraphInputs['buckets']
  /** Of the products in the MLPs and the dot interaction; default fp32. */
  precision?: Precision
  /** How the embedding tables lie in memory; not with `qr`. Default f32. */
  tableDtype?: TableDtype
}

/** The options that DLRM has in common with other models: flags of the same name. */
const sharedOptions = {
  embeddingStd: {
    ...common.embeddingStd,
    default: null,
    expected: x => (x === null ? undefined : common.embeddingStd.expected(x)),
  } as Option<number | null>,
  embeddingDims: sizesByColumn('widths of the embeddings of single columns, instead of E; dlrm: with cat'),
  norm: common.norm,
  dropout: common.dropout,
}

/** Options of {@link DLRM}. */
export interface DLRMOptions extends DLRMConfig {
  /** Key of the counter-based generator that draws the initial parameters (same distributions as the reference); default 1. */
  seed?: number
  /** Draws them from NumPy's legacy generator instead, in the reference's order: the same parameters as dlrm_s_pytorch.py. */
  random?: RandomState
  /**
   * PyTorch's generator, with the same seed as `random` (the words are the same): the reference draws quotient-remainder tables
   * (which then start in [sqrt(1 / R), 1), not symmetric) and projections of `md` from it. Needed with `random` for these.
   */
  torchRandom?: RandomState
  /** Kernels to use; default the best of this machine, or DLRM_ISA. */
  isa?: Isa
  /**
   * Where the model lives: `cpu` (default), or `cuda`, the NVIDIA GPU that `cuda()` tells of; parameters start the same on both.
   * Errors of the constructor then: `ERR_DEVICE` without GPU, driver or plugin, `ERR_MEMORY` where its memory does not suffice,
   * `ERR_ARGUMENT` naming an op that has no kernels there.
   */
  device?: Device
}

/** A config with its defaults. */
export type DLRMFullConfig = Required<
  Omit<DLRMConfig, 'qr' | 'md' | 'columns' | 'buckets' | 'precision' | 'tableDtype'>
> & {
  qr: Required<QrConfig> | null
  md: Required<MdConfig> | null
} & Pick<DLRMConfig, 'columns' | 'buckets' | 'precision' | 'tableDtype'>

const endingIn = (layers: number[], last: number): number[] => (layers.at(-1) === last ? layers : [...layers, last])

/**
 * The Deep Learning Recommendation Model (Naumov et al. 2019, arXiv 1906.00091, figure 1).
 *
 * ```
 * dense [B,D] -> bottom MLP -> x [B,E] -+
 *                                       +-> interaction [B,E+P] -> top MLP -> logit -> probability
 * bags of T tables -> embeddings [B,T*E]+
 * ```
 */
function dlrmGraph(config: DLRMFullConfig): GraphSpec {
  const { embeddingDim, bottom, top, interaction, loss, lossThreshold: threshold, norm, dropout } = config
  const g = new GraphBuilder(config, config)
  const e = embeddings(g, config)
  const x = g.numericCount > 0 ? tower(g, 'bot_l', g.numeric, { layers: bottom, norm, dropout }) : undefined
  let z = e
  if (interaction === 'dot')
    z = interactionDot(g, 'interaction', x, e, { width: embeddingDim, itself: config.interactionItself })
  else if (x) z = concat(g, 'interaction', [x, e])
  const logits = tower(g, 'top_l', z, { layers: top, norm, dropout, last: 'none' })
  const prediction = sigmoid(g, 'probability', logits, { threshold })
  const classWeights = loss === 'wbce' ? config.lossWeights : undefined
  return g.build({
    prediction,
    loss:
      loss === 'mse'
        ? mseLoss(g, 'loss', prediction, g.labels)
        : bceLoss(g, 'loss', logits, g.labels, { threshold, classWeights, saturates: config.lossSaturates }),
  })
}

/** DLRM: see {@link DLRMConfig}. Train with `fit` or `compile` + `step`, predict with `predict`, `predictSync`, `predictRows`. */
export class DLRM extends Model {
  static readonly kind = 'dlrm'
  /** @internal */
  static readonly options = sharedOptions
  readonly kind = 'dlrm'
  readonly config: DLRMFullConfig

  /** Errors: `ERR_ARGUMENT` for a bad option, `ERR_SHAPE` for sizes that do not fit, `ERR_MEMORY`, `ERR_DEVICE`. */
  constructor(options: DLRMOptions) {
    const config = complete(options)
    super(dlrmGraph(config), { seed: options.seed ?? 1, isa: options.isa, device: options.device })
    this.config = config
    if (options.random) this.loadState(referenceInit(config, this.state(), options.random, options.torchRandom))
  }

  /**
   * Reads a model that `save` wrote, or any safetensors file with the reference's state_dict names (say, from PyTorch):
   * then the sizes come from the tensors, and `config` adds what they cannot tell (loss, pooling).
   * Errors: `ERR_IO`, `ERR_FORMAT`.
   */
  static async load(path: string, options: Partial<DLRMOptions> = {}): Promise<DLRM> {
    const { configFromShapes, loadModel } = await import('./storage.js')
    return loadModel(path, DLRM, options, configFromShapes)
  }
}

function complete(options: DLRMOptions): DLRMFullConfig {
  const { dense, tables, embeddingDim, columns, buckets = [] } = options
  positiveIntegers('dense', [dense], 0)
  positiveIntegers('tables', tables)
  positiveIntegers('embeddingDim', [embeddingDim])
  positiveIntegers('bottom', options.bottom ?? [])
  positiveIntegers('top', options.top ?? [])
  if (tables.length + buckets.length === 0) throw new DlrmError('ERR_ARGUMENT', 'tables: expected at least one table')
  oneOf('interaction', options.interaction, ['dot', 'cat'])
  oneOf('pooling', options.pooling, ['sum', 'mean', 'max'])
  oneOf('weightedPooling', options.weightedPooling, ['fixed', 'learned'])
  oneOf('loss', options.loss, ['bce', 'mse', 'wbce'])
  const threshold = options.lossThreshold ?? 0
  if (!(threshold >= 0 && threshold < 1)) {
    throw new DlrmError('ERR_ARGUMENT', `lossThreshold: expected a number in [0, 1), received ${threshold}`)
  }
  const of = {
    tables: [...tables],
    embeddingDim,
    pooling: options.pooling ?? 'sum',
    weightedPooling: options.weightedPooling ?? 'fixed',
    ...optionValues('dlrm', DLRM.options, pickOptions(options)),
    ...(columns ? { columns } : {}),
  }
  const [uneven] = Object.keys(of.embeddingDims)
  if (uneven !== undefined && options.interaction !== 'cat') {
    throw new DlrmError(
      'ERR_ARGUMENT',
      `[dlrm] embeddingDims: ${uneven}: only with interaction cat, dot needs equal widths`,
    )
  }
  if (options.random && (columns || buckets.length > 0)) {
    throw new DlrmError('ERR_ARGUMENT', '[dlrm] random: the reference knows no columns or buckets to draw numbers for')
  }
  const numeric = dense - new Set(buckets.map(({ feature }) => feature)).size
  return {
    dense,
    ...of,
    ...completeCompression(options, of),
    bottom: numeric > 0 ? endingIn(options.bottom ?? [], embeddingDim) : [],
    top: endingIn(options.top ?? [], 1),
    interaction: options.interaction ?? 'dot',
    interactionItself: options.interactionItself ?? false,
    loss: options.loss ?? 'bce',
    lossWeights: options.lossWeights ?? [1, 1],
    lossThreshold: threshold,
    lossSaturates: options.lossSaturates ?? false,
    tableNames: options.tableNames ?? tables.map((_, t) => `C${t + 1}`),
    ...(options.buckets ? { buckets } : {}),
    ...(options.precision ? { precision: options.precision } : {}),
    ...(options.tableDtype ? { tableDtype: options.tableDtype } : {}),
  }
}

const pickOptions = (given: DLRMOptions): { [name: string]: unknown } =>
  Object.fromEntries(Object.keys(sharedOptions).map(name => [name, given[name as keyof typeof sharedOptions]]))

function positiveIntegers(name: string, values: unknown, least = 1): void {
  if (!Array.isArray(values)) throw new DlrmError('ERR_ARGUMENT', `${name}: expected an array of integers`)
  for (const value of values) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new DlrmError('ERR_ARGUMENT', `${name}: expected integers >= ${least}, received ${value}`)
    }
  }
}

function oneOf(name: string, value: unknown, choices: string[]): void {
  if (value !== undefined && !choices.includes(value as string)) {
    throw new DlrmError('ERR_ARGUMENT', `${name}: expected ${choices.join(', ')}, received ${String(value)}`)
  }
}

/**
 * The reference's initial parameters: drawn table by table, then layer by layer, weight before bias. Factors and what it does not
 * have, normalisations and tables of a normal distribution, stay as they are.
 */
function referenceInit(
  config: DLRMFullConfig,
  state: Map<string, Tensor>,
  random: RandomState,
  torchRandom: RandomState | undefined,
): Map<string, Tensor> {
  if (config.embeddingStd === null) referenceTables(config, state, random, torchRandom)
  for (const [name, { shape, data }] of state) {
    if (/^(v_W_l|emb_l)|\.norm\./.test(name)) continue
    const [m, n = 0] = shape as [number, number?]
    const bound = Math.sqrt(1 / m)
    if (n > 0) data.set(random.normal(0, Math.sqrt(2 / (m + n)), data.length))
    else data.set(random.normal(0, bound, data.length))
  }
  return state
}
