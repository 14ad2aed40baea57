/**
 * A DLRM of `shapes.ts`, trained or not, as an ONNX file, for runtimes of others. The field numbers are those of onnx.proto
 * (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
 */
import type { Tensor } from '../../lib/models/model.js'
import type { ModelShape } from '../shapes.js'
import { type Field, integer, message } from './protobuf.js'

const FLOAT = 1
const INT64 = 7
const OPSET = 17

type Node = { op: string; inputs: string[]; output: string; attributes?: { [name: string]: number | number[] } }

function tensor(name: string, dims: readonly number[], data: Float32Array | BigInt64Array): Field {
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const type = data instanceof Float32Array ? FLOAT : INT64
  return message(5, [...dims.map(dim => integer(1, dim)), integer(2, type), message(8, name), message(9, raw)])
}

function node({ op, inputs, output, attributes = {} }: Node): Field {
  const options = Object.entries(attributes).map(([name, value]) => {
    const list = Array.isArray(value)
    const numbers = list ? value.map(n => integer(8, n)) : [integer(3, value)]
    return message(5, [message(1, name), ...numbers, integer(20, list ? 7 : 2)])
  })
  return message(1, [...inputs.map(input => message(1, input)), message(2, output), message(4, op), ...options])
}

/** `[B, cols]` */
function matrix(field: 11 | 12, name: string, type: number, cols: number): Field {
  const shape = message(2, [message(1, [message(2, 'B')]), message(1, [integer(1, cols)])])
  return message(field, [message(1, name), message(2, [message(1, [integer(1, type), shape])])])
}

/** Inputs `dense [B,D]` and `ids [B,T]` (int64), output `probability [B,1]`; one index per table. */
export class OnnxDlrm {
  readonly #tensors: Field[] = []
  readonly #nodes: Node[] = []

  /** `oneTable`: all tables below each other, one Gather; else one for each, as exporters write it. */
  constructor(
    readonly shape: ModelShape,
    readonly state: ReadonlyMap<string, Tensor>,
    oneTable: boolean,
  ) {
    if (shape.pooling !== 1) throw new Error('OnnxDlrm: expected one index per table')
    const { tables, width } = shape
    const vectors = tables + 1
    const x = this.#mlp('bot_l', 'dense', shape.bottom.length + 1, true)
    const parts = oneTable ? [this.#oneGather()] : this.#gathers()
    const all = this.#add('Concat', [x, ...parts], { axis: 1 })
    const z = this.#add('Reshape', [all, this.#ints('z_shape', [0, vectors, width])])
    const products = this.#add('MatMul', [z, this.#add('Transpose', [z], { perm: [0, 2, 1] })])
    const flat = this.#add('Reshape', [products, this.#ints('flat_shape', [0, vectors * vectors])])
    const pairs = Array.from({ length: vectors }, (_, i) => Array.from({ length: i }, (_, j) => i * vectors + j))
    const triangle = this.#add('Gather', [flat, this.#ints('pairs', pairs.flat())], { axis: 1 })
    const logit = this.#mlp('top_l', this.#add('Concat', [x, triangle], { axis: 1 }), shape.top.length + 1, false)
    this.#nodes.push({ op: 'Sigmoid', inputs: [logit], output: 'probability' })
  }

  /** The file, in pieces. */
  file(): Buffer[] {
    const { dense, tables } = this.shape
    const inputs = [matrix(11, 'dense', FLOAT, dense), matrix(11, 'ids', INT64, tables)]
    const graph = [...this.#nodes.map(node), message(2, 'dlrm'), ...this.#tensors, ...inputs]
    return [
      ...integer(1, 8),
      ...message(8, [message(1, ''), integer(2, OPSET)]),
      ...message(7, [...graph, matrix(12, 'probability', FLOAT, 1)]),
    ]
  }

  #add(op: string, inputs: string[], attributes: Node['attributes'] = {}): string {
    const output = `${op}_${this.#nodes.length}`
    this.#nodes.push({ op, inputs, output, attributes })
    return output
  }

  #ints(name: string, values: readonly number[]): string {
    this.#tensors.push(tensor(name, [values.length], BigInt64Array.from(values, BigInt)))
    return name
  }

  #parameter(name: string): string {
    const { shape, data } = this.state.get(name)!
    this.#tensors.push(tensor(name, shape, data as Float32Array))
    return name
  }

  #mlp(name: string, input: string, layers: number, last: boolean): string {
    let x = input
    for (let layer = 0; layer < layers; layer++) {
      const parameters = ['weight', 'bias'].map(part => this.#parameter(`${name}.${2 * layer}.${part}`))
      x = this.#add('Gemm', [x, ...parameters], { transB: 1 })
      if (last || layer < layers - 1) x = this.#add('Relu', [x])
    }
    return x
  }

  #gathers(): string[] {
    return Array.from({ length: this.shape.tables }, (_, t) => {
      this.#tensors.push(tensor(`column_${t}`, [], BigInt64Array.of(BigInt(t))))
      const ids = this.#add('Gather', ['ids', `column_${t}`], { axis: 1 })
      return this.#add('Gather', [this.#parameter(`emb_l.${t}.weight`), ids], { axis: 0 })
    })
  }

  /** `[B, T E]` */
  #oneGather(): string {
    const { tables, rows, width } = this.shape
    const all = new Float32Array(tables * rows * width)
    const starts = Array.from({ length: tables }, (_, t) => t * rows)
    for (const [t, start] of starts.entries()) {
      all.set(this.state.get(`emb_l.${t}.weight`)!.data as Float32Array, start * width)
    }
    this.#tensors.push(tensor('emb', [tables * rows, width], all))
    const places = this.#add('Add', ['ids', this.#ints('starts', starts)])
    const bags = this.#add('Gather', ['emb', places], { axis: 0 })
    return this.#add('Reshape', [bags, this.#ints('bags_shape', [0, tables * width])])
  }
}
