import { wholeNumber } from '../data/options.js'
import { DlrmError } from '../errors.js'
import type { Attrs, DerivedColumn, GraphSpec } from '../native.js'

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
}

/** What a graph reads from a batch. */
export interface GraphInputs {
  /** Number of dense features D. */
  dense: number
  /** Rows R of each table: one column of ids each. */
  tables: readonly number[]
  /** Names of the columns, for messages; default C1, C2, ... */
  tableNames?: readonly string[]
}

/**
 * Writes a model down as a graph, top to bottom, as the data flows. The functions of {@link ops} add the nodes;
 * the native side infers all shapes when the graph is built.
 */
export class GraphBuilder {
  readonly #spec: GraphSpec
  readonly #columns: Column[]
  readonly #derived: DerivedColumn[] = []
  #group: string | undefined

  constructor(inputs: GraphInputs) {
    const { dense, tables, tableNames = tables.map((_, t) => `C${t + 1}`) } = inputs
    this.#spec = { dense, rows: [...tables], tableNames: [...tableNames], nodes: [], loss: '', prediction: '' }
    this.#columns = tables.map((rows, index) => ({ index, name: this.#spec.tableNames[index]!, rows }))
  }

  /** `[B, D]` */
  get dense(): Value {
    return { name: 'dense' }
  }
  /** D */
  get denseCount(): number {
    return this.#spec.dense
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
  /** The T columns of ids of a batch. */
  get columns(): Column[] {
    return this.#columns.slice(0, this.#spec.rows.length)
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
  bucketize(feature: number, boundaries: readonly number[]): Column {
    wholeNumber('bucketize: feature', feature, 0, this.#spec.dense - 1)
    const rounded = [...new Set(Float32Array.from(boundaries))]
    const column: DerivedColumn = { kind: 'bucket', from: [feature], rows: rounded.length + 1, boundaries: rounded }
    if (rounded.some((x, i) => !Number.isFinite(x) || (i > 0 && x <= rounded[i - 1]!))) {
      throw new DlrmError('ERR_ARGUMENT', '[graph] bucketize: expected finite ascending boundaries')
    }
    return this.#derive(`I${feature + 1} bucket`, column)
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

  /** Ends the graph: what `step` minimises (`[1,1]`) and what `predict` returns (`[B,1]`). */
  build(outputs: { loss: Value; prediction: Value }): GraphSpec {
    const derived = this.#derived.length > 0 ? { derived: this.#derived } : {}
    return { ...this.#spec, ...derived, loss: outputs.loss.name, prediction: outputs.prediction.name }
  }
}
