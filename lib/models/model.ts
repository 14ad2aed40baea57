import type { Batch } from '../data/batch.js'
import type { Schema } from '../data/schema.js'
import type { DataSet } from '../data/source.js'
import { DlrmError } from '../errors.js'
import type { SafetensorsFile, TensorEntry } from '../format/safetensors.js'
import {
  type Device,
  type GraphSpec,
  type Isa,
  type NativeProgram,
  native,
  type TableDtype,
  type TensorInfo,
} from '../native.js'
import { groupRules, ParameterGroups } from '../optim/groups.js'
import { Optimizer } from '../optim/optimizer.js'
import type { FitOptions, FitResult } from '../train/fit_options.js'
import { flatten } from './flatten.js'
import { type PrunedPart, type PrunedParts, prunable, readParts } from './prune.js'

/** A parameter: its sizes and, row-major, its numbers. */
export interface Tensor {
  shape: number[]
  data: Float32Array
  /** How the model holds them, if not as float32. */
  dtype?: TableDtype
}

/** Options of {@link Model.compile}. */
export interface CompileOptions {
  /** One for all parameters, or one for each parameter group. */
  optimizer: Optimizer | ParameterGroups
  /** Most examples of a training batch; memory is planned for it. */
  maxBatch: number
  /**
   * Scales the gradients of all parameters together so that their norm is at most this, as torch.nn.utils.clip_grad_norm_
   * (a table's gradient is the one summed by row); default 0: no clipping. Costs a second pass over the gradients.
   */
  clipNorm?: number
}

/** A parameter group of a model: what {@link ParameterGroups} can give an optimizer of its own. */
export interface ParameterGroup {
  name: string
  /** Names of its parameters. */
  parameters: string[]
  /** Whether any of them is an embedding table, updated by row. */
  tables: boolean
}

const CHUNK = 1 << 20

/** What all models share: the native program of their graph, and everything that goes in and out of it. */
export abstract class Model {
  /** What raw rows mean; set by `fit` from its data and by `load`. Needed by `predictRows`. */
  schema: Schema | undefined
  /** What a batch must look like: D dense features, and R rows of each table. */
  readonly inputs: { readonly dense: number; readonly rows: readonly number[] }
  /** Where its parameters lie and it computes. A file has no device: `save` on one, load on another. */
  readonly device: Device
  readonly #program: NativeProgram
  readonly #prunable: Map<PrunedPart, number[]>
  #optimizer: Optimizer | ParameterGroups | undefined
  #maxBatch = 0
  #clipNorm = 0
  #rates = { scale: 1, floor: 0 }
  #steps = 0
  #running = 0 // steps in flight
  #idle: (() => void)[] = []
  #saving = false

  protected constructor(graph: GraphSpec, options: { seed: number; isa?: Isa; device?: Device }) {
    const { seed, isa, device = 'cpu' } = options
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new DlrmError('ERR_ARGUMENT', `seed: expected an integer >= 0, received ${seed}`)
    }
    this.inputs = { dense: graph.dense, rows: graph.rows }
    this.#program = new native.Program(graph, isa, seed, device)
    this.device = device
    this.#prunable = prunable(graph, this.#program.tensors())
  }

  /** The model's name in files and on the command line. */
  abstract readonly kind: string
  /** What predictions are: click probabilities, or other numbers (ratings, minutes). */
  readonly predicts: 'probability' | 'number' = 'probability'
  /** The options the model was made with, as plain JSON: enough to make it again. */
  abstract readonly config: object

  /** Training steps done so far (of all `fit` and `step` calls since the optimizer was set). */
  get steps(): number {
    return this.#steps
  }
  get optimizer(): Optimizer | ParameterGroups | undefined {
    return this.#optimizer
  }
  /** Number of trainable numbers. */
  get parameterCount(): number {
    let count = 0
    for (const { state, buffer, shape } of this.#program.tensors()) if (!state && !buffer) count += size(shape)
    return count
  }

  /** The parameter groups of its graph, in its order. */
  get groups(): ParameterGroup[] {
    const groups = new Map<string, ParameterGroup>()
    for (const { name: parameter, group: name, sparse } of this.#program.tensors()) {
      if (!name) continue
      const group = groups.get(name) ?? { name, parameters: [], tables: false }
      group.parameters.push(parameter)
      group.tables ||= sparse
      groups.set(name, group)
    }
    return [...groups.values()]
  }

  /**
   * Makes the model ready to train: allocates the optimizer's state (zeroed; calling it again starts the optimizer anew) and
   * plans memory for `maxBatch` examples. `fit` calls it. Errors: `ERR_ARGUMENT` (a parameter group that the model lacks, or one
   * without optimizer, among others), `ERR_STATE` while a step runs.
   */
  async compile(options: CompileOptions): Promise<void> {
    this.#mustBeIdle('compile')
    const { optimizer, clipNorm = 0 } = options
    if (!(optimizer instanceof Optimizer || optimizer instanceof ParameterGroups)) {
      throw new DlrmError('ERR_ARGUMENT', '[compile] optimizer: expected an optimizer such as new Adagrad({ lr })')
    }
    if (!(typeof clipNorm === 'number' && clipNorm >= 0)) {
      throw new DlrmError('ERR_ARGUMENT', `[compile] clipNorm: expected a number >= 0, received ${clipNorm}`)
    }
    this.#program.compile(groupRules(optimizer), options.maxBatch, clipNorm)
    this.#clipNorm = clipNorm
    this.scaleRates(1, 0)
    this.#optimizer = optimizer
    this.#maxBatch = options.maxBatch
    this.#steps = 0
  }

  /** The `maxBatch` of the last `compile`; 0 before. */
  get maxBatch(): number {
    return this.#maxBatch
  }
  /** The `clipNorm` of the last `compile`; 0: no clipping. */
  get clipNorm(): number {
    return this.#clipNorm
  }

  /**
   * One training step; resolves to the mean loss over the batch before the update. The batch is copied before this returns,
   * so its buffers may be reused at once. Steps run in the order of the calls.
   * Errors: `ERR_STATE` before `compile` or during `save`; `ERR_SHAPE`, `ERR_INDEX`, `ERR_OFFSETS`, `ERR_VALUE`, `ERR_BUFFER`,
   * `ERR_ARGUMENT` for a batch that does not fit: then no parameter has changed.
   */
  async step(batch: Batch): Promise<number> {
    if (!this.#optimizer) {
      throw new DlrmError('ERR_STATE', '[step] the model is not compiled: call compile({ optimizer, maxBatch }) first')
    }
    if (this.#saving) throw new DlrmError('ERR_STATE', '[step] a save is in progress: await it first')
    const number = this.#steps + 1
    const { scale, floor } = this.#rates
    const rates = [this.#optimizer.lrAt(number)].flat().map(lr => Math.max(lr * scale, Math.min(lr, floor)))
    const done = this.#program.step(...flatten(batch), rates, number)
    this.#steps = number
    return this.#inFlight(done)
  }

  async #inFlight<T>(work: Promise<T>): Promise<T> {
    this.#running++
    try {
      return await work
    } finally {
      if (--this.#running === 0) for (const wake of this.#idle.splice(0)) wake()
    }
  }

  /**
   * Sets the weights of least magnitude to zero, this share of each part (or of every part the model has): what is left of a
   * mostly zero MLP predicts faster. Tables keep their size in memory. Weights at zero are trained on like all others. Runs
   * behind the steps already called. Errors: `ERR_ARGUMENT`, also for a part that the model lacks; `ERR_STATE` during `save`.
   */
  async prune(parts: number | PrunedParts): Promise<void> {
    const wanted = readParts(parts, this.#prunable)
    if (this.#saving) throw new DlrmError('ERR_STATE', '[prune] a save is in progress: await it first')
    const sets = wanted.flatMap(([part, fraction]) => {
      const tensors = this.#prunable.get(part)!
      return part === 'tables' ? [{ tensors, fraction }] : tensors.map(tensor => ({ tensors: [tensor], fraction }))
    })
    await this.#inFlight(this.#program.prune(sets))
  }

  /** The share of zeros in each part that `prune` knows. */
  sparsity(): PrunedParts {
    const zeros = this.#program.zeros()
    const tensors = this.#program.tensors()
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
    const share = (indices: number[]) =>
      sum(indices.map(i => zeros[i]!)) / sum(indices.map(i => size(tensors[i]!.shape)))
    return Object.fromEntries([...this.#prunable].map(([part, indices]) => [part, share(indices)]))
  }

  /** Throws what `prune` would for these parts. @internal */
  checkPruning(parts: number | PrunedParts): void {
    readParts(parts, this.#prunable)
  }

  /** How the embedding tables lie in memory. */
  get tableDtype(): TableDtype {
    return (this.config as { tableDtype?: TableDtype }).tableDtype ?? 'f32'
  }
  /** Bytes of the parameters in memory, without the optimizer's state. */
  get parameterBytes(): number {
    let total = 0
    for (const { state, bytes } of this.#program.tensors()) if (!state) total += bytes
    return total
  }

  /**
   * Quantises every embedding table by row, to a byte or half of one per number with a scale and a least value per row, byte for
   * byte as PyTorch (`torch.ops.quantized.embedding_bag_byte_prepack`, `..._4bit_prepack`; FBGEMM): a quarter or an eighth of the
   * memory, for predictions. There is no way back: `compile`, `step` and `fit` refuse such a model from then on, and the
   * optimizer's state is gone. Runs behind the steps already called. Errors: `ERR_ARGUMENT` for another type, `ERR_STATE` for a
   * model without such tables, one that is quantised already, and during `save`.
   */
  async quantize({ tables }: { tables: 'int8' | 'int4' }): Promise<void> {
    if (this.#saving) throw new DlrmError('ERR_STATE', '[quantize] a save is in progress: await it first')
    await this.#inFlight(this.#program.quantise(tables))
    Object.assign(this.config, { tableDtype: tables })
    this.#optimizer = undefined
    this.#maxBatch = 0
  }

  /** Predictions `[B]` (probabilities, for a click model). Errors: as `step`. */
  async predict(batch: Batch): Promise<Float32Array> {
    return this.#program.predict(...flatten(batch))
  }

  /**
   * As `predict`, but the caller waits: the fastest way. A single row is predicted on this thread alone; for more rows the
   * threads of `threads()` help, unless they are at work for somebody else. Waits if a step of this model is running.
   */
  predictSync(batch: Batch): Float32Array {
    return this.#program.predictSync(...flatten(batch))
  }

  /** Mean loss and predictions `[B]` of a labelled batch, without training. */
  async evaluate(batch: Batch): Promise<{ loss: number; predictions: Float32Array }> {
    return this.#program.evaluate(...flatten(batch))
  }

  /**
   * Predictions for raw rows, `{ I1: 3, C1: '68fd1e64', ... }`, encoded by the schema of the training data: unknown categories
   * and missing values mean what they meant in training. Errors: `ERR_STATE` without schema, `ERR_DATA` for a value of the wrong type.
   */
  async predictRows(rows: readonly Record<string, unknown>[]): Promise<Float32Array> {
    if (!this.schema) {
      throw new DlrmError('ERR_STATE', '[predictRows] the model has no schema: train it with fit, or set model.schema')
    }
    return this.predict(this.schema.encodeRows(rows))
  }

  /** Trains on a data set; see FitOptions. */
  async fit(data: DataSet, options: FitOptions): Promise<FitResult> {
    const { fit } = await import('../train/fit.js')
    return fit(this, data, options)
  }

  /** A copy of all parameters, under the names of the reference's state_dict. Errors: `ERR_STATE` while a step runs. */
  state(): Map<string, Tensor> {
    this.#mustBeIdle('state')
    const state = new Map<string, Tensor>()
    this.#program.tensors().forEach(({ name, shape, dtype, state: isState }, index) => {
      if (isState) return
      const data = new Float32Array(size(shape))
      this.#program.read(index, 0, data)
      state.set(name, { shape, data, ...(dtype === 'f32' ? {} : { dtype }) })
    })
    return state
  }

  /**
   * Sets parameters from a map as `state` returns; all of them must be there, with their shapes. Tables that are not float32 take
   * the nearest numbers that they have.
   * Errors: `ERR_SHAPE` naming both sides, `ERR_STATE` while a step runs; then nothing has changed.
   */
  loadState(state: ReadonlyMap<string, Tensor>): void {
    this.#mustBeIdle('loadState')
    const tensors = this.#program.tensors().filter(tensor => !tensor.state)
    for (const { name, shape } of tensors) checkShape(name, shape, state.get(name))
    for (const name of state.keys()) {
      if (!tensors.some(tensor => tensor.name === name))
        throw new DlrmError('ERR_SHAPE', `[state] no parameter "${name}"`)
    }
    tensors.forEach(({ name }, index) => {
      this.#program.write(index, 0, state.get(name)!.data)
    })
  }

  /**
   * Writes the model to one safetensors file: parameters under the reference's names, config and schema in the metadata.
   * The file appears whole or not at all. Waits for steps in flight; `step` is refused until it is done.
   * Errors: `ERR_IO`; the old file is then untouched.
   */
  async save(path: string): Promise<void> {
    await this.exclusively(async () => {
      const { saveModel } = await import('./storage.js')
      await saveModel(this, path)
    })
  }

  /** From the next step every learning rate is `scale` times what it was, but no less than `floor` unless it was. @internal */
  scaleRates(scale: number, floor: number): void {
    this.#rates = { scale, floor }
  }

  /** Runs `body` while no step can change the parameters. @internal */
  async exclusively<T>(body: () => Promise<T>): Promise<T> {
    if (this.#saving) throw new DlrmError('ERR_STATE', '[save] another save is in progress: await it first')
    this.#saving = true
    try {
      if (this.#running > 0) await new Promise<void>(resolve => this.#idle.push(resolve))
      return await body()
    } finally {
      this.#saving = false
    }
  }

  /** Parameters, and the optimizer's state if asked, as chunked entries that never hold a whole table. @internal */
  entries(options: { optimizer: boolean }): TensorEntry[] {
    const program = this.#program
    return program.tensors().flatMap((tensor, index) => {
      const { name, bytes, state } = tensor
      if (state && !options.optimizer) return []
      function* chunks() {
        const buffer = new Uint8Array(Math.min(bytes, 4 * CHUNK))
        for (let start = 0; start < bytes; start += buffer.length) {
          const chunk = buffer.subarray(0, Math.min(buffer.length, bytes - start))
          program.readBytes(index, start, chunk)
          yield chunk
        }
      }
      return [{ name: state ? `optimizer.${name}` : name, ...stored(tensor), chunks }]
    })
  }

  /**
   * Reads parameters (and optimizer state, when asked and compiled) from an open file; checks all names and shapes first. Floats
   * of any kind become what this model has; quantised tables are read as they are.
   * Errors: `ERR_FORMAT` naming what is missing or of another shape. @internal
   */
  async readEntries(file: SafetensorsFile, options: { optimizer: boolean; steps?: number }): Promise<void> {
    this.#mustBeIdle('load')
    const wanted = this.#program.tensors().flatMap((tensor, index) => {
      const { name, state } = tensor
      return state && !options.optimizer ? [] : [{ ...tensor, name: state ? `optimizer.${name}` : name, index }]
    })
    const asStored = new Set<string>()
    for (const tensor of wanted) {
      const { name, dtype } = tensor
      const found = file.tensors.get(name)
      if (!found) throw new DlrmError('ERR_FORMAT', `${file.path}: the tensor "${name}" is missing`)
      if (found.dtype === 'U8' && isQuantised(dtype)) asStored.add(name)
      else if (found.dtype === 'U8') {
        const why = `${file.path}: ${name}: it is quantised, for predictions, and cannot become ${dtype} again`
        throw new DlrmError('ERR_FORMAT', why)
      }
      const { shape } = asStored.has(name) ? stored(tensor) : tensor
      if (found.shape.join() !== shape.join()) {
        throw new DlrmError(
          'ERR_FORMAT',
          `${file.path}: ${name}: expected shape [${shape}], the file has [${found.shape}]`,
        )
      }
    }
    for (const { name, index, dtype, shape } of wanted) {
      let start = 0
      if (asStored.has(name)) {
        for await (const chunk of file.bytes(name)) {
          this.#program.writeBytes(index, start, chunk)
          start += chunk.length
        }
        continue
      }
      const row = isQuantised(dtype) ? shape[1]! : 1
      for await (const chunk of file.chunks(name, row * Math.max(1, Math.floor(CHUNK / row)))) {
        this.#program.write(index, start, chunk)
        start += chunk.length
      }
    }
    if (options.steps !== undefined) this.#steps = options.steps
  }

  #mustBeIdle(what: string): void {
    if (this.#running > 0) throw new DlrmError('ERR_STATE', `[${what}] a step is running: await it first`)
    if (this.#saving && what !== 'state')
      throw new DlrmError('ERR_STATE', `[${what}] a save is in progress: await it first`)
  }
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

const isQuantised = (dtype: TableDtype): boolean => dtype === 'int8' || dtype === 'int4'

/** How a tensor is written to a file: rows of quantised tables are bytes. */
function stored({ dtype, shape, bytes }: TensorInfo): { dtype: 'F32' | 'BF16' | 'F16' | 'U8'; shape: number[] } {
  if (isQuantised(dtype)) return { dtype: 'U8', shape: [shape[0]!, bytes / shape[0]!] }
  return { dtype: ({ f32: 'F32', bf16: 'BF16', f16: 'F16' } as const)[dtype as 'f32' | 'bf16' | 'f16'], shape }
}

function checkShape(name: string, shape: number[], tensor: Tensor | undefined): void {
  if (!tensor) throw new DlrmError('ERR_SHAPE', `[state] the parameter "${name}" is missing`)
  const received = tensor.shape.join()
  if (received !== shape.join() || tensor.data.length !== size(shape)) {
    throw new DlrmError(
      'ERR_SHAPE',
      `[state] ${name}: expected shape [${shape}], received [${received}] with ${tensor.data.length} elements`,
    )
  }
  if (!(tensor.data instanceof Float32Array)) {
    throw new DlrmError('ERR_ARGUMENT', `[state] ${name}: expected a Float32Array`)
  }
}
