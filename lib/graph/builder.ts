import { oneOf, wholeNumber } from '../data/options.js'
import { DlrmError } from '../errors.js'
import type { Attrs, DerivedColumn, GraphSpec, TableDtype } from '../native.js'

/** An edge of the graph. */
export interface Value {
  readonly name: string
}

/** A column of ids: bags of indices in `[0, rows)`, one bag per example. */
export interface Column {
  /** Its place among the graph's columns. */
  readonly index: number
  readonly name: string
  /** R: how many different ids it has. */
  readonly rows: number
  /** How several ids of an example, a sequence, become one vector; default sum. */
  readonly pooling?: Pooling
  /** The column whose embedding table this one uses too. */
  readonly sharing?: Column
}

/**
 * Of the factors that an op multiplies. `bf16`: inputs, weights, activations between layers and gradients are rounded to bfloat16
 * (8 significant bits) as they enter a product; sums, parameters, optimizer and what flows between ops stay float32.
 */
export type Precision = 'fp32' | 'bf16'

/** How a graph computes and holds its numbers. */
export interface GraphNumbers {
  /** Of the ops that have the choice, MLPs and dot interactions; default fp32. */
  precision?: Precision
  /**
   * How the embedding tables (those of `embeddingBag`) lie in memory; default f32. With int8 and int4 the model is for predictions.
   * First-order weights and all else are float32.
   */
  tableDtype?: TableDtype
}

/** How the rows of a bag become one. */
export type Pooling = 'sum' | 'mean' | 'max'

/** What a model makes of one column of ids. */
export interface ColumnOptions {
  /** Of several ids in one example; default sum. */
  pooling?: Pooling
  /** Name of a column with the same ids: both use one embedding table. */
  sharing?: string
}

/** How a dense feature becomes a column: see {@link GraphBuilder.bucketize}. */
export interface Buckets {
  readonly feature: number
  readonly boundaries: readonly number[]
  /** Of the column; default `I1 bucket` for feature 0, and so on. */
  readonly name?: string
}

/** What a graph reads from a batch. */
export interface GraphInputs {
  /** Number of dense features D. */
  dense: number
  /** Rows R of each table: one column of ids each. */
  tables: readonly number[]
  /** Names of the columns, for messages; default C1, C2, ... */
  tableNames?: readonly string[]
  /** By name of the column, for sequences and for columns that share a table. */
  columns?: { readonly [name: string]: ColumnOptions }
  /** Dense features that are cut into buckets, each an id then: a column more, instead of a number. */
  buckets?: readonly Buckets[]
}

/**
 * Writes a model down as a graph, top to bottom, as the data flows. The functions of {@link ops} add the nodes;
 * the native side infers all shapes when the graph is built.
 */
export class GraphBuilder {
  readonly #spec: GraphSpec
  readonly #columns: Column[]
  readonly #derived: DerivedColumn[] = []
  readonly #fields: Column[]
  readonly #numeric: number[]
  #group: string | undefined
  /** Of the ops that have the choice: mlp and interactionDot. */
  readonly precision: Precision

  /** How the tables of `embeddingBag` lie in memory. */
  readonly tableDtype: TableDtype

  constructor(inputs: GraphInputs, { precision = 'fp32', tableDtype = 'f32' }: GraphNumbers = {}) {
    this.precision = oneOf('precision', precision, ['fp32', 'bf16'])
    this.tableDtype = oneOf('tableDtype', tableDtype, ['f32', 'bf16', 'f16', 'int8', 'int4'])
    const { dense, tables, tableNames = tables.map((_, t) => `C${t + 1}`), columns = {}, buckets = [] } = inputs
    this.#spec = { dense, rows: [...tables], tableNames: [...tableNames], nodes: [], loss: '', prediction: '' }
    this.#columns = tables.map((rows, index) => ({ index, name: this.#spec.tableNames[index]!, rows }))
    for (const [name, options] of Object.entries(columns)) this.#describe(name, options)
    for (const { name, index, sharing } of this.#columns) {
      if (!sharing || (sharing.index !== index && !this.#columns[sharing.index]!.sharing)) continue
      throw new DlrmError('ERR_ARGUMENT', `[graph] columns: ${name}: ${sharing.name} has no table of its own to share`)
    }
    this.#fields = [...this.#columns, ...buckets.map(b => this.bucketize(b.feature, b.boundaries, b.name))]
    const cut = buckets.map(({ feature }) => feature)
    this.#numeric = Array.from({ length: dense }, (_, d) => d).filter(d => !cut.includes(d))
  }

  #describe(name: string, { pooling, sharing }: ColumnOptions): void {
    if (pooling !== undefined) oneOf(`[graph] columns: ${name}: pooling`, pooling, ['sum', 'mean', 'max'])
    const column = this.#named(name)
    const other = sharing === undefined ? undefined : this.#named(sharing)
    this.#columns[column.index] = { ...column, ...(pooling ? { pooling } : {}), ...(other ? { sharing: other } : {}) }
  }

  #named(name: string): Column {
    const column = this.#columns.find(candidate => candidate.name === name)
    if (column) return column
    const known = this.#columns.map(candidate => candidate.name).join(', ')
    throw new DlrmError('ERR_ARGUMENT', `[graph] no column "${name}"; there are ${known || 'none'}`)
  }

  /** `[B, D]` */
  get dense(): Value {
    return { name: 'dense' }
  }
  /** The dense features that are not cut into buckets: `[B, numericCount]`. */
  get numeric(): Value {
    const features = this.#numeric
    if (features.length === this.#spec.dense) return this.dense
    if (this.#spec.nodes.some(node => node.name === 'numeric')) return { name: 'numeric' }
    const parts = features.map(start => this.add('slice', `numeric_${start}`, [this.dense], { start, length: 1 }))
    return this.add('concat', 'numeric', parts)
  }
  get numericCount(): number {
    return this.#numeric.length
  }
  /** The bags of all columns: those of the batch, then the derived ones. */
  get tables(): Value {
    return { name: 'tables' }
  }
  /** `[B, 1]` */
  get labels(): Value {
    return { name: 'labels' }
  }
  /** `[B, 1]`: what each example counts in the loss; 1 where the batch has no weights. */
  get weights(): Value {
    return { name: 'weights' }
  }
  /** The T columns of ids of a batch, then a column per dense feature that is cut into buckets. */
  get columns(): Column[] {
    return [...this.#fields]
  }
  /** One of the columns by name. Errors: `ERR_ARGUMENT`. */
  column(name: string): Column {
    return this.#named(name)
  }

  /**
   * The column of all pairs of an id of `a` and an id of `b` of the same example; weights of lookups multiply. Pairs are
   * numbered a R_b + b when `rows` (default R_a R_b) has room for all of them, else hashed into `rows`: see
   * `native/exec/derive.h`. Either column may be a cross itself.
   * Errors: `ERR_ARGUMENT` unless 1 <= rows < 2^31.
   */
  cross(a: Column, b: Column, rows: number = a.rows * b.rows): Column {
    return this.#derive(`${a.name} x ${b.name}`, { kind: 'cross', from: [this.#known(a), this.#known(b)], rows })
  }

  /**
   * Dense feature `feature` cut at n ascending boundaries into n + 1 buckets, half open: x in `[boundaries[i - 1],
   * boundaries[i])` has index i, as numpy.digitize and torch.bucketize with `right=True` have it. Boundaries are rounded to
   * float32, and what is equal then counts once. `quantiles` of dlrm/data finds boundaries in data.
   * Errors: `ERR_ARGUMENT` for a feature that is not there or boundaries that are not finite and ascending.
   */
  bucketize(feature: number, boundaries: readonly number[], name = `I${feature + 1} bucket`): Column {
    wholeNumber('bucketize: feature', feature, 0, this.#spec.dense - 1)
    const rounded = [...new Set(Float32Array.from(boundaries))]
    const column: DerivedColumn = { kind: 'bucket', from: [feature], rows: rounded.length + 1, boundaries: rounded }
    if (rounded.some((x, i) => !Number.isFinite(x) || (i > 0 && x <= rounded[i - 1]!))) {
      throw new DlrmError('ERR_ARGUMENT', '[graph] bucketize: expected finite ascending boundaries')
    }
    return this.#derive(name, column)
  }

  /** Each id divided by `divisor`, rounded down: ceil(R / divisor) ids. */
  quotient(column: Column, divisor: number): Column {
    wholeNumber('quotient: divisor', divisor, 1, 0x7fffffff)
    const rows = Math.ceil(column.rows / divisor)
    return this.#derive(`${column.name} / ${divisor}`, { kind: 'quotient', from: [this.#known(column)], rows, divisor })
  }

  /** What is left of each id divided by `divisor`: `divisor` ids. */
  remainder(column: Column, divisor: number): Column {
    wholeNumber('remainder: divisor', divisor, 1, 0x7fffffff)
    const from = [this.#known(column)]
    return this.#derive(`${column.name} % ${divisor}`, { kind: 'remainder', from, rows: divisor, divisor })
  }

  #known(column: Column): number {
    if (this.#columns[column.index] !== column) {
      throw new DlrmError('ERR_ARGUMENT', `[graph] the column "${column.name}" is not of this graph`)
    }
    return column.index
  }

  #derive(name: string, derived: DerivedColumn): Column {
    wholeNumber(`${name}: rows`, derived.rows, 1, 0x7fffffff)
    const column = { index: this.#columns.length, name, rows: derived.rows }
    this.#derived.push(derived)
    this.#columns.push(column)
    return column
  }

  /**
   * Puts the parameters of the nodes that `body` adds into a parameter group, for an optimizer of their own.
   * Otherwise embedding tables are in `tables` and all others in `mlp`.
   */
  group<T>(name: string, body: () => T): T {
    const outer = this.#group
    this.#group = name
    try {
      return body()
    } finally {
      this.#group = outer
    }
  }

  /** Adds a node with one output, named like the node. Errors: `ERR_ARGUMENT` for a name that is taken. */
  add(op: string, name: string, inputs: readonly Value[], attrs: Attrs = {}): Value {
    if (this.#spec.nodes.some(node => node.name === name)) {
      throw new DlrmError('ERR_ARGUMENT', `[graph] the node "${name}" is defined twice`)
    }
    const group = this.#group === undefined ? {} : { group: this.#group }
    this.#spec.nodes.push({ op, name, inputs: inputs.map(input => input.name), outputs: [name], attrs, ...group })
    return { name }
  }

  /**
   * Gives the parameters of the node that `output` comes from other names, in the order its op has them (`Model.state`).
   * Errors: `ERR_ARGUMENT` if no node has this output, `ERR_SHAPE` when the model is made, for another number of names.
   */
  rename(output: Value, params: readonly string[]): Value {
    const node = this.#spec.nodes.find(({ outputs }) => outputs.includes(output.name))
    if (!node) throw new DlrmError('ERR_ARGUMENT', `[graph] rename: no node has the output "${output.name}"`)
    node.params = [...params]
    return output
  }

  /** Ends the graph: what `step` minimises (`[1,1]`) and what `predict` returns (`[B,1]`). */
  build(outputs: { loss: Value; prediction: Value }): GraphSpec {
    this.#checkTables()
    const derived = this.#derived.length > 0 ? { derived: this.#derived } : {}
    return { ...this.#spec, ...derived, loss: outputs.loss.name, prediction: outputs.prediction.name }
  }

  #checkTables(): void {
    if (this.tableDtype === 'f32') return
    const has = (op: string) => this.#spec.nodes.some(node => node.op === op)
    const why = has('qr_embedding_bag')
      ? 'quotient-remainder tables are f32 only'
      : has('embedding_bag')
        ? undefined
        : 'the model has no embedding tables'
    if (why) throw new DlrmError('ERR_ARGUMENT', `[graph] tableDtype: ${this.tableDtype}: ${why}`)
  }
}
