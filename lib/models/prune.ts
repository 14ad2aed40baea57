import { DlrmError } from '../errors.js'
import type { GraphSpec, TensorInfo } from '../native.js'

/**
 * Shares of a model's weights, 0 to 1: of all embedding tables together; of each matrix of its MLPs, biases, normalisations and
 * a layer of one output excepted; of the weights of field pairs.
 */
export interface PrunedParts {
  tables?: number
  mlp?: number
  pairs?: number
}

export type PrunedPart = keyof PrunedParts

const PARTS: { [op: string]: PrunedPart } = { embedding_bag: 'tables', mlp: 'mlp', field_weighted_pair: 'pairs' }

/** Which parameters of a graph can be pruned: places in `tensors`, by part. */
export function prunable(graph: GraphSpec, tensors: readonly TensorInfo[]): Map<PrunedPart, number[]> {
  const parts = new Map<PrunedPart, number[]>()
  tensors.forEach(({ name, shape, state }, index) => {
    const nodes = graph.nodes.filter(node => name.startsWith(`${node.name}.`) && name.endsWith('.weight'))
    const node = nodes.sort((a, b) => b.name.length - a.name.length)[0]
    const part = node && PARTS[node.op]
    if (state || !part) return
    if (part === 'mlp' && (shape.length < 2 || shape[0] === 1)) return
    parts.set(part, [...(parts.get(part) ?? []), index])
  })
  return parts
}

/** The shares by part; a number means every part the model has. Errors: `ERR_ARGUMENT`. */
export function readParts(
  wanted: number | PrunedParts,
  parts: ReadonlyMap<PrunedPart, unknown>,
): [PrunedPart, number][] {
  if (typeof wanted === 'number') return [...parts.keys()].map(part => [part, share(part, wanted)])
  if (typeof wanted !== 'object' || wanted === null) {
    throw new DlrmError('ERR_ARGUMENT', `[prune] expected a number or { tables?, mlp?, pairs? }, received ${wanted}`)
  }
  return Object.entries(wanted).flatMap(([name, value]) => {
    const part = name as PrunedPart
    if (value === undefined) return []
    if (!parts.has(part)) {
      const known = [...parts.keys()].join(', ') || 'nothing'
      throw new DlrmError('ERR_ARGUMENT', `[prune] ${name}: this model can prune ${known}`)
    }
    return [[part, share(part, value)] as [PrunedPart, number]]
  })
}

function share(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= 1) return value
  throw new DlrmError('ERR_ARGUMENT', `[prune] ${name}: expected a number from 0 to 1, received ${String(value)}`)
}
