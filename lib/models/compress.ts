/** The table compressions of the DLRM reference: quotient-remainder (`--qr-flag`) and mixed dimension (`--md-flag`). */
import type { RandomState } from '../data/numpy_random.js'
import { numberIn, oneOf, wholeNumber } from '../data/options.js'
import { TorchRandom } from '../data/torch_random.js'
import { DlrmError } from '../errors.js'
import type { Column, GraphBuilder, GraphInputs, Value } from '../graph/builder.js'
import { columnWidths, type Widths } from '../graph/fields.js'
import { concat, embeddingBag, mlp, type QrOperation, qrEmbeddingBag } from '../graph/ops.js'
import type { Tensor } from './model.js'

/** Quotient-remainder tables (Shi et al. 2019, arXiv 1909.02107). */
export interface QrConfig {
  /** Tables of more rows are compressed; default 200. */
  threshold?: number
  /** c: two tables of R / c and c rows stand for one of R; default 4. */
  collisions?: number
  /** How their rows are composed; default mult. With concat each has half the width. */
  operation?: QrOperation
  /** Pool before composing, as the reference does: another model for bags of several lookups. Default false. */
  poolFirst?: boolean
}

/** Tables of mixed dimension (Ginart et al. 2019, arXiv 1909.11810): the larger a table, the narrower, with a projection behind. */
export interface MdConfig {
  /** Tables of more rows are compressed; default 200. */
  threshold?: number
  /** alpha: the width of a table of R rows is E (R / R_min)^-alpha, at least 1; default 0.3. */
  temperature?: number
  /** Round widths to powers of two; default false. */
  roundDims?: boolean
}

/** What DLRM's embeddings depend on. */
export interface EmbeddingConfig {
  tables: number[]
  embeddingDim: number
  pooling: 'sum' | 'mean' | 'max'
  weightedPooling: 'fixed' | 'learned'
  embeddingStd: number | null
  embeddingDims: Widths
  columns?: GraphInputs['columns']
  qr: Required<QrConfig> | null
  md: Required<MdConfig> | null
}

/** The two configs with defaults; null: not compressed. Errors: `ERR_ARGUMENT`. */
export function completeCompression(
  options: { qr?: QrConfig | null; md?: MdConfig | null },
  rest: Omit<EmbeddingConfig, 'qr' | 'md'>,
): Pick<EmbeddingConfig, 'qr' | 'md'> {
  const { qr, md } = options
  const bad = (message: string) => new DlrmError('ERR_ARGUMENT', message)
  if (qr && md) throw bad('qr, md: give one of them, not both')
  if ((qr || md) && rest.weightedPooling === 'learned') throw bad('weightedPooling: learned goes with full tables only')
  const full = {
    columns: rest.columns,
    embeddingDims: rest.embeddingDims,
    embeddingStd: rest.embeddingStd ?? undefined,
  }
  const [plain] =
    Object.entries(full).find(([, value]) => value !== undefined && value !== null && !isEmpty(value)) ?? []
  if ((qr || md) && plain) throw bad(`${plain}: goes with full tables only`)
  if ((qr || md) && rest.pooling === 'max') throw bad('pooling: max goes with full tables only')
  const threshold = wholeNumber(`${qr ? 'qr' : 'md'}.threshold`, (qr ?? md)?.threshold ?? 200, 0)
  if (qr) {
    const { collisions = 4, operation = 'mult', poolFirst = false } = qr
    oneOf('qr.operation', operation, ['mult', 'add', 'concat'])
    if (operation === 'concat' && rest.embeddingDim % 2 !== 0) {
      throw bad(`embeddingDim: expected an even number for qr.operation concat, received ${rest.embeddingDim}`)
    }
    wholeNumber('qr.collisions', collisions, 1, 0x7fffffff)
    return { qr: { threshold, collisions, operation, poolFirst: Boolean(poolFirst) }, md: null }
  }
  if (!md) return { qr: null, md: null }
  const temperature = numberIn('md.temperature', md.temperature ?? 0.3, 0, Number.MAX_VALUE)
  return { qr: null, md: { threshold, temperature, roundDims: Boolean(md.roundDims) } }
}

const isEmpty = (value: unknown): boolean => typeof value === 'object' && Object.keys(value as object).length === 0

/**
 * Width of each table: E for those of at most `threshold` rows and for the smallest of all, E (R / R_min)^-alpha for the others,
 * rounded; in float32 as the reference's md_solver, which knows no threshold and so takes R_min over all tables.
 */
export function mixedDims(tables: readonly number[], width: number, md: Required<MdConfig>): number[] {
  const { fround } = Math
  const power = (rows: number, alpha: number) => fround(fround(rows) ** fround(alpha))
  const scale = fround(width * power(Math.min(...tables), md.temperature))
  return tables.map(rows => {
    if (rows <= md.threshold) return width
    const dim = Math.max(1, roundHalfEven(fround(scale * power(rows, -md.temperature))))
    return Math.min(width, md.roundDims ? 2 ** roundHalfEven(Math.log2(dim)) : dim)
  })
}

function roundHalfEven(x: number): number {
  const low = Math.floor(x)
  if (x - low !== 0.5) return Math.round(x)
  return low % 2 === 0 ? low : low + 1
}

/** Embeddings `[B, T*E]` in the order of the tables, under the reference's names. */
export function embeddings(g: GraphBuilder, config: EmbeddingConfig): Value {
  const { qr, md, embeddingDim: width, pooling } = config
  if (!qr && !md) {
    const rowWeights = config.weightedPooling === 'learned' ? 'v_W_l' : undefined
    const own = g.columns.some(column => column.pooling)
    return embeddingBag(g, 'emb_l', {
      width: columnWidths(g, width, config.embeddingDims),
      mode: own ? g.columns.map(column => column.pooling ?? pooling) : pooling,
      rowWeights,
      ...(config.embeddingStd === null ? {} : { init: { kind: 'normal', scale: config.embeddingStd } }),
    })
  }
  const dims = md ? mixedDims(config.tables, width, md) : []
  const kindOf = ({ index, rows }: Column) =>
    qr && rows > qr.threshold ? 'qr' : md && dims[index]! < width ? 'narrow' : 'full'
  const parts: Value[] = []
  for (const run of runs(g.columns, kindOf)) {
    const first = run[0]!
    const kind = kindOf(first)
    const name = `emb_l_${first.index}`
    if (kind === 'qr') parts.push(qrTables(g, name, run, width, pooling as 'sum' | 'mean', qr!))
    else if (kind === 'narrow')
      for (const column of run) parts.push(narrowTable(g, column, dims[column.index]!, config))
    else {
      const compressed = (rows: number) => md !== null && rows > md.threshold
      const names = run.map(({ index, rows }) => `emb_l.${index}.${compressed(rows) ? 'embs.' : ''}weight`)
      parts.push(g.rename(embeddingBag(g, name, { columns: run, width, mode: pooling }), names))
    }
  }
  return parts.length === 1 ? parts[0]! : concat(g, 'emb_l', parts)
}

/** Columns of one kind that follow each other: one op for all of them. */
function runs(columns: readonly Column[], kindOf: (column: Column) => string): Column[][] {
  const all: Column[][] = []
  for (const column of columns) {
    const last = all.at(-1)
    if (last && kindOf(last[0]!) === kindOf(column)) last.push(column)
    else all.push([column])
  }
  return all
}

function qrTables(
  g: GraphBuilder,
  name: string,
  columns: Column[],
  width: number,
  mode: 'sum' | 'mean',
  { collisions, operation, poolFirst }: Required<QrConfig>,
): Value {
  const half = operation === 'concat' ? width / 2 : width
  const out = qrEmbeddingBag(g, name, { columns, width: half, collisions, operation, mode, poolFirst })
  return g.rename(
    out,
    columns.flatMap(({ index }) => [`emb_l.${index}.weight_q`, `emb_l.${index}.weight_r`]),
  )
}

/** The projection is linear: it may follow the pooling. It starts as PyTorch's xavier_uniform. */
function narrowTable(g: GraphBuilder, column: Column, dim: number, { embeddingDim, pooling }: EmbeddingConfig): Value {
  const name = `emb_l_${column.index}`
  const init = { kind: 'uniform', scale: Math.sqrt(6 / (dim + embeddingDim)) } as const
  const pooled = embeddingBag(g, name, { columns: [column], width: dim, mode: pooling })
  g.rename(pooled, [`emb_l.${column.index}.embs.weight`])
  const projected = mlp(g, `${name}_proj`, pooled, { layers: [embeddingDim], last: 'none', bias: false, init })
  return g.rename(projected, [`emb_l.${column.index}.proj.weight`])
}

/**
 * Draws the tables as the reference does: full and mixed ones from NumPy's generator, uniform in +-sqrt(1 / R); quotient-remainder
 * ones, uniform in [sqrt(1 / R), 1) (it leaves out the upper bound), and projections from PyTorch's, which also makes the
 * numbers that are drawn and replaced.
 */
export function referenceTables(
  config: EmbeddingConfig,
  state: Map<string, Tensor>,
  numpy: RandomState,
  torch?: RandomState,
): void {
  const { qr, md } = config
  if ((qr || md) && !torch) {
    throw new DlrmError(
      'ERR_ARGUMENT',
      'torchRandom: the reference draws compressed tables from PyTorch, whose generator is needed',
    )
  }
  const generator = torch && new TorchRandom(torch)
  config.tables.forEach((rows, t) => {
    const data = (part: string): Float32Array | undefined => state.get(`emb_l.${t}.${part}`)?.data
    const bound = Math.sqrt(1 / rows)
    const quotients = data('weight_q')
    if (quotients) {
      generator!.fillUniform(quotients, bound, 1)
      generator!.fillUniform(data('weight_r')!, bound, 1)
      return
    }
    const embs = data('embs.weight')
    const weight = embs ?? data('weight')!
    numpy.fillUniform(weight, -bound, bound)
    generator?.skipNormal(weight.length)
    if (embs) generator!.skipUniform(embs.length)
    const proj = data('proj.weight')
    if (!proj) return
    generator!.skipUniform(proj.length)
    const [wide, narrow] = state.get(`emb_l.${t}.proj.weight`)!.shape as [number, number]
    const scale = Math.sqrt(6 / (wide + narrow))
    generator!.fillUniform(proj, -scale, scale)
  })
}
