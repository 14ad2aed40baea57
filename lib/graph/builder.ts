import { DlrmError } from '../errors.js'
import type { Attrs, GraphSpec } from '../native.js'

/** An edge of the graph. */
export interface Value {
  readonly name: string
}

/**
 * Writes a model down as a graph, top to bottom, as the data flows. The functions of `ops.ts` add the nodes;
 * the native side infers all shapes when the graph is built.
 */
export class GraphBuilder {
  readonly #spec: GraphSpec

  /**
   * @param dense number of dense features D
   * @param rows rows R of each table
   * @param tableNames names for error messages; default C1, C2, ...
   */
  constructor(dense: number, rows: number[], tableNames: string[] = rows.map((_, t) => `C${t + 1}`)) {
    this.#spec = { dense, rows, tableNames, nodes: [], loss: '', prediction: '' }
  }

  /** `[B, D]` */
  get dense(): Value {
    return { name: 'dense' }
  }
  /** The bags of all T tables. */
  get tables(): Value {
    return { name: 'tables' }
  }
  /** `[B, 1]` */
  get labels(): Value {
    return { name: 'labels' }
  }
  get rows(): number[] {
    return this.#spec.rows
  }

  /** Adds a node with one output, named like the node. */
  add(op: string, name: string, inputs: Value[], attrs: Attrs = {}): Value {
    if (this.#spec.nodes.some(node => node.name === name)) {
      throw new DlrmError('ERR_ARGUMENT', `[graph] the node "${name}" is defined twice`)
    }
    this.#spec.nodes.push({ op, name, inputs: inputs.map(input => input.name), outputs: [name], attrs })
    return { name }
  }

  /** Ends the graph: what `step` minimises (`[1,1]`) and what `predict` returns (`[B,1]`). */
  build(outputs: { loss: Value; prediction: Value }): GraphSpec {
    return { ...this.#spec, loss: outputs.loss.name, prediction: outputs.prediction.name }
  }
}
