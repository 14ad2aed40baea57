import type { Batch } from '../../lib/data/batch.js'
import { DLRM, type DLRMOptions } from '../../lib/models/dlrm.js'
import { Generator } from './generator.js'

export const TABLES = [100, 7, 1]

export function tinyModel(options: Partial<DLRMOptions> = {}): DLRM {
  return new DLRM({ dense: 3, tables: TABLES, embeddingDim: 4, bottom: [8], top: [8], seed: 5, ...options })
}

/** Bags of 0 to 3 indices, labels 0 and 1. */
export function tinyBatch(size: number, seed = 1): Batch {
  const g = new Generator(seed)
  const tables = TABLES.map(rows => {
    const offsets = new Int32Array(size + 1)
    g.below(size, 4).forEach((n, i) => {
      offsets[i + 1] = offsets[i]! + n
    })
    return { offsets, indices: Int32Array.from(g.below(offsets[size]!, rows)) }
  })
  return { size, dense: g.symmetric(size * 3, 1), tables, labels: g.unit(size).map(x => (x < 0.5 ? 0 : 1)) }
}
