import t from 'tap'
import { benchCases } from '../../bench/cases.js'
import { comparisons } from '../../bench/rivals/comparisons.js'
import { OnnxDlrm } from '../../bench/rivals/onnx.js'
import { MODEL_SHAPES } from '../../bench/shapes.js'
import { DLRM } from '../../lib/models/dlrm.js'

/** Fields of a message by number: the bytes of messages and text. */
function fields(bytes: Buffer): Map<number, Buffer[]> {
  const found = new Map<number, Buffer[]>()
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * shift
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const length = varint()
    if ((tag & 7) !== 2) continue
    found.set(tag >> 3, [...(found.get(tag >> 3) ?? []), bytes.subarray(at, at + length)])
    at += length
  }
  if (at !== bytes.length) throw new Error('a field ends behind its message')
  return found
}

t.test('every comparison of an op is a case of the benchmark', async t => {
  for (const smoke of [false, true]) {
    const cases = benchCases(smoke).map(({ op, shape, passes }) => ({ op, shape, passes }))
    for (const { ours } of comparisons(smoke)) {
      for (const own of Object.values(ours)) {
        if (!('op' in own)) continue
        const { op, shape, pass } = own.op
        t.ok(
          cases.some(c => c.op === op && c.shape === shape && c.passes.includes(pass)),
          `${op} ${pass}, ${shape}`,
        )
      }
    }
  }
})

t.test('a model as ONNX has all its parameters and one node for each step of it', async t => {
  const shape = { ...MODEL_SHAPES.kaggle, rows: 5, tables: 2, dense: 3, width: 4, bottom: [6], top: [7] }
  const model = new DLRM({ dense: 3, tables: [5, 5], embeddingDim: 4, bottom: [6], top: [7] })
  const parts = (oneTable: boolean) => {
    const file = Buffer.concat(new OnnxDlrm(shape, model.state(), oneTable).file())
    const graph = fields(fields(file).get(7)![0]!)
    const ops = graph.get(1)!.map(node => fields(node).get(4)![0]!.toString())
    const tensors = graph.get(5)!.map(tensor => {
      const own = fields(tensor)
      return [own.get(8)![0]!.toString(), own.get(9)![0]!] as const
    })
    return { ops, tensors: new Map(tensors) }
  }
  const mlp = ['Gemm', 'Relu', 'Gemm', 'Relu']
  const rest = [
    'Concat',
    'Reshape',
    'Transpose',
    'MatMul',
    'Reshape',
    'Gather',
    'Concat',
    ...mlp.slice(0, 3),
    'Sigmoid',
  ]
  const each = parts(false)
  t.same(each.ops, [...mlp, 'Gather', 'Gather', 'Gather', 'Gather', ...rest])
  for (const [name, { data }] of model.state()) {
    t.same(each.tensors.get(name), Buffer.from(data.buffer, data.byteOffset, data.byteLength), name)
  }
  t.same(each.tensors.get('pairs'), Buffer.from(BigInt64Array.of(3n, 6n, 7n).buffer), 'the triangle below the diagonal')
  const one = parts(true)
  t.same(one.ops, [...mlp, 'Add', 'Gather', 'Reshape', ...rest])
  const tables = [0, 1].map(i => each.tensors.get(`emb_l.${i}.weight`)!)
  t.same(one.tensors.get('emb'), Buffer.concat(tables), 'tables below each other')
})
