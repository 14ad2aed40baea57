/** A batch as the native calls take it. */
import type { Batch } from '../data/batch.js'
import { DlrmError } from '../errors.js'
import type { FlatBatch } from '../native.js'

/** The argument list of the native calls: they read typed arrays only, everything else is cheaper to look up here. */
export function flatten(batch: Batch): FlatBatch {
  if (typeof batch !== 'object' || batch === null || !Array.isArray(batch.tables)) {
    throw new DlrmError('ERR_ARGUMENT', '[batch] expected { size, dense, tables: [{ offsets, indices }], labels }')
  }
  const { size, dense, tables, labels, weights } = batch
  if (size <= FEW && pack(tables)) return [size, dense, packed, labels, weights]
  const flat: unknown[] = new Array(tables.length * 3)
  for (let t = 0, i = 0; t < tables.length; t++) {
    const table = tables[t]
    if (typeof table !== 'object' || table === null) {
      throw new DlrmError('ERR_ARGUMENT', `[batch] tables[${t}]: expected { offsets, indices, weights? }`)
    }
    flat[i++] = table.offsets
    flat[i++] = table.indices
    flat[i++] = table.weights
  }
  return [size, dense, flat, labels, weights]
}

const FEW = 16 // examples: fetching each array natively costs more than copying such short ones here
const packed = new Int32Array(1 << 11)

/** Copies the bags into `packed`: T, then L and the numbers of each. False if they are long, or anything but plain arrays. */
function pack(tables: Batch['tables']): boolean {
  let at = 0
  packed[at++] = tables.length
  for (let t = 0; t < tables.length; t++) {
    const table = tables[t]
    if (typeof table !== 'object' || table === null) return false
    const { offsets, indices, weights } = table
    if (weights !== undefined || !(offsets instanceof Int32Array && indices instanceof Int32Array)) return false
    const { length } = offsets
    const lookups = indices.length
    if (length === 0 || lookups === 0 || at + length + lookups + 2 > packed.length) return false // empty: maybe detached
    packed[at++] = length
    packed[at++] = lookups
    for (let i = 0; i < length; i++) packed[at++] = offsets[i]!
    for (let i = 0; i < lookups; i++) packed[at++] = indices[i]!
  }
  return true
}
