import { DlrmError } from '../errors.js'
import type { Attrs, GraphSpec } from '../native.js'

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
  #group: string | undefined

  constructor(inputs: GraphInputs) {
    const { dense, tables, tableNames = tables.map((_, t) => `C${t + 1}`) } = inputs
    this.#spec = { dense, rows: [...tables], tableNames: [...tableNames], nodes: [], loss: '', prediction: '' }
  }

  /** `[B, D]` */
  get dense(): Value {
    return { name: 'dense' }
  }
  /** D */
  get denseCount(): number {
    return this.#spec.dense
  }
  /** The bags of all columns. */
  get tables(): Value {
    return { name: 'tables' }
  }
  /** `[B, 1]` */
  get labels(): Value {
    return { name: 'labels' }
  }
  /** The T columns of ids of a batch. */
  get columns(): Column[] {
    return this.#spec.rows.map((rows, index) => ({ index, name: this.#spec.tableNames[index]!, rows }))
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
    return { ...this.#spec, loss: outputs.loss.name, prediction: outputs.prediction.name }
  }
}
