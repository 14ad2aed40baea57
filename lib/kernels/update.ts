import type { Attrs, OpCall } from '../native.js'
import { Optimizer, ruleAttrs } from '../optim/optimizer.js'
import { Arguments, call, type KernelOptions, type KernelTiming } from './call.js'
import { type EmbeddingBagArguments, type EmbeddingBagTable, readTables } from './embedding_bag.js'

/** A rule and the number of the step it is applied at. */
export interface UpdateRule {
  /** `new SGD(...)`, `Adagrad`, `RowWiseAdagrad` (tables only), `Adam` or `FTRL`. */
  optimizer: Optimizer
  /** From 1, the default: schedules and Adam's bias correction depend on it. */
  step?: number
}

/** A table that {@link embeddingUpdate} changes, and its lookups. */
export interface EmbeddingUpdateTable extends EmbeddingBagTable {
  /**
   * The rule's state, changed in place, in this order: Adagrad sum `[R, E]`; RowWiseAdagrad sum `[R]`;
   * Adam exp_avg and exp_avg_sq, FTRL z and n, `[R, E]` each; SGD none, with momentum and `lazy: false` one `[R, E]`.
   */
  state?: readonly Float32Array[]
}

/** What {@link embeddingUpdate} takes. */
export interface EmbeddingUpdateArguments extends EmbeddingBagArguments, UpdateRule {
  tables: readonly EmbeddingUpdateTable[]
  /** Gradient of the bags' output `[B, sum of E]`; with `perLookup` of each lookup `[sum of L, E]`, column after column. */
  dout: Float32Array
  /** Mode max only: what `embeddingBag` returned. */
  positions?: Int32Array
  /**
   * `dout` has a row for every lookup. With `width` 1 it can be the `dlookup` of `embeddingBagBackward`, one array behind the
   * other, and the tables the factors `[R]`.
   */
  perLookup?: boolean
  /** With tables of bf16 and f16: of the random numbers that they are rounded by, with the step; default 0. */
  key?: number
  /** All columns have the same gradient, `dout [B, E]`: that of `linearBag`, with `width` 1. */
  sharedGradient?: boolean
}

/**
 * The backward pass of `embeddingBag` fused with the optimizer: changes `weight` (and `state`) in place, on the rows that
 * were looked up only (on all of them if the optimizer is not `lazy`). Gradients of a row that was looked up twice, in any column,
 * are summed first: PyTorch's sparse semantics. Of columns that share a table, the first one's `state` counts.
 *
 * Errors: `ERR_INDEX`, `ERR_OFFSETS`, `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`; then nothing has changed.
 */
export function embeddingUpdate(args: EmbeddingUpdateArguments, options?: KernelOptions): KernelTiming {
  const { tables, dout, positions, perLookup = false, sharedGradient = false } = args
  const check = new Arguments('embedding_update')
  const { batch, bags, owners, rows, widths, ...read } = readTables(check, args)
  const names = owners.map(c => `${c}`)
  const attrs: Attrs = {
    ...rule(check, args.optimizer),
    ...read.attrs,
    dtype: read.dtype,
    names,
    per_lookup: perLookup,
    shared_gradient: sharedGradient,
  }
  if (read.rowWeights.length > 0) attrs.scale_names = names.map(name => `scale_${name}`)
  const perRow = args.optimizer.rule === 'rowwise_adagrad'
  const sizes = rows.map((r, t) => (perRow ? r : r * widths[t]!))
  const owning = owners.map(c => tables[c]!)
  const state = stateArrays(check, 'tables', owning, sizes, statesOf(args.optimizer, false))
  const params = [...read.weights, ...read.rowWeights, ...state]
  const inputs: OpCall['inputs'] = [{ bags }]
  if (perLookup) {
    const lookups = tables.reduce((sum, { indices }) => sum + indices.length, 0)
    const data = check.floats('dout', dout, 'sum of L x E', lookups, widths[0]!)
    inputs.push({ data, cols: widths[0]!, rows: lookups })
  } else {
    const cols = sharedGradient ? widths[0]! : read.cols
    inputs.push({ data: check.floats('dout', dout, sharedGradient ? 'B x E' : 'B x sum of E', batch, cols), cols })
  }
  if (read.positionsCols > 0) inputs.push({ data: winners(check, positions), cols: read.positionsCols })
  const { key = 0 } = args
  return call({ op: 'embedding_update', attrs, batch, inputs, params, ...when(args), key }, options).timing
}

/** One tensor that {@link denseUpdate} changes. */
export interface DenseUpdateTensor {
  /** Weights `[n]`, changed in place. */
  w: Float32Array
  /** Their gradient `[n]`. */
  g: Float32Array
  /** The rule's state `[n]`, changed in place: SGD with momentum one, Adagrad sum, Adam exp_avg and exp_avg_sq, FTRL z and n. */
  state?: readonly Float32Array[]
}

/**
 * One step of the optimizer on dense tensors, in place. Errors: `ERR_ARGUMENT`, `ERR_SHAPE`, `ERR_BUFFER`; then nothing has
 * changed.
 */
export function denseUpdate(
  args: UpdateRule & { tensors: readonly DenseUpdateTensor[] },
  options?: KernelOptions,
): KernelTiming {
  const { tensors } = args
  const check = new Arguments('dense_update')
  const sizes = check.list('tensors', tensors).map(({ w, g }, i) => {
    const size = check.anyFloats(`tensors[${i}].w`, w).length
    check.floats(`tensors[${i}].g`, g, 'n', size)
    return size
  })
  const names = tensors.map((_, i) => `${i}`)
  const attrs = { ...rule(check, args.optimizer), names, sizes }
  const state = stateArrays(check, 'tensors', tensors, sizes, statesOf(args.optimizer, true))
  const params = [...tensors.map(tensor => tensor.w), ...state]
  const dparams = tensors.map(tensor => tensor.g)
  return call({ op: 'dense_update', attrs, batch: 1, inputs: [], params, dparams, ...when(args) }, options).timing
}

/** How many numbers the rule keeps beside each weight; momentum is for dense tensors. */
function statesOf(optimizer: Optimizer, dense: boolean): number {
  const { rule, lazy } = optimizer
  if (rule === 'sgd') return (dense || !lazy) && 'momentum' in optimizer && optimizer.momentum !== 0 ? 1 : 0
  return rule === 'adam' || rule === 'ftrl' ? 2 : 1
}

/** State i of every item, then state i + 1. */
function stateArrays(
  check: Arguments,
  name: string,
  items: readonly { state?: readonly Float32Array[] }[],
  sizes: readonly number[],
  count: number,
): Float32Array[] {
  items.forEach(({ state = [] }, i) => {
    if (state.length !== count)
      check.fail('ERR_SHAPE', `${name}[${i}].state: expected ${count} arrays, received ${state.length}`)
  })
  return Array.from({ length: count }).flatMap((_, s) => {
    return items.map(({ state }, i) => check.floats(`${name}[${i}].state[${s}]`, state![s], 'n', sizes[i]!))
  })
}

function winners(check: Arguments, positions: unknown): Int32Array {
  if (positions instanceof Int32Array) return positions
  return check.fail('ERR_ARGUMENT', 'positions: expected the Int32Array that embeddingBag returned, with mode max')
}

const when = ({ optimizer, step = 1 }: UpdateRule) => ({ lr: optimizer.lrAt(step), step })

function rule(check: Arguments, optimizer: Optimizer): Attrs {
  if (optimizer instanceof Optimizer) return ruleAttrs(optimizer)
  return check.fail('ERR_ARGUMENT', 'optimizer: expected an optimizer such as new Adagrad({ lr })')
}
