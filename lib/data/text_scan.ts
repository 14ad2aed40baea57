import { ByteDictionary } from './dictionary.js'
import { cellEncoder, growingEncoder } from './encode.js'
import { OPEN_SIZE } from './options.js'
import type { Records } from './records.js'
import type { CategoricalColumn, SchemaJson } from './schema.js'
import { type Skipped, TextPass, type TextPlan } from './text_pass.js'

/** What a first pass over the training split found. */
export interface ScanResult {
  rows: number
  skipped: Skipped
  /** The plan's schema with its vocabularies filled in, and the sizes of its open id columns. */
  schema: SchemaJson
}

/**
 * Counts every value of the vocabulary columns and keeps those seen at least `minCount` times, most frequent first (ties by
 * code unit), so that the result does not depend on the order of the lines.
 */
export function scanText(plan: TextPlan): ScanResult {
  const columns = plan.schema.categorical
  // Columns that share are counted as one.
  const owners = columns.map(({ sharing }, t) =>
    sharing === undefined ? t : columns.findIndex(c => c.name === sharing),
  )
  const dictionaries = columns.map(column => (column.encode === 'vocabulary' ? new ByteDictionary() : undefined))
  const encoders = owners.map(t => (dictionaries[t] ? growingEncoder(dictionaries[t]) : cellEncoder(columns[t]!)))
  const counts = columns.map(() => new Uint32Array(64))
  const largest = columns.map(() => -1)
  const pass = new TextPass(plan, { batchSize: 1, epoch: 0, seed: 0, shuffle: false }, new Map(), encoders)
  const see = (t: number, index: number): void => {
    if (index > largest[t]!) largest[t] = index
    if (!dictionaries[t]) return
    if (index >= counts[t]!.length) {
      const more = new Uint32Array(2 * dictionaries[t].size + 2)
      more.set(counts[t]!)
      counts[t] = more
    }
    counts[t]![index]!++
  }
  try {
    const rows = pass.scan(records => {
      for (let t = 0; t < columns.length; t++) eachIndex(records, t, index => see(owners[t]!, index))
    })
    const found = columns.map((column, t): CategoricalColumn => {
      if (owners[t] !== t) return column
      if (column.encode === 'vocabulary') return withValues(column, dictionaries[t]!, counts[t]!)
      return column.encode === 'id' && column.size === OPEN_SIZE ? { ...column, size: largest[t]! + 1 || 1 } : column
    })
    const categorical = found.map((column, t) =>
      owners[t] === t ? column : { ...column, size: found[owners[t]!]!.size },
    )
    return { rows, skipped: pass.skipped, schema: { ...plan.schema, categorical } }
  } finally {
    pass.close()
  }
}

function eachIndex(records: Records, t: number, visit: (index: number) => void): void {
  const { width, word, multi } = records.layout
  const { words, pool } = records
  for (let row = 0; row < records.rows; row++) {
    const at = row * width + word[t]!
    if (!multi[t]) visit(words[at]!)
    else for (let k = 0; k < words[at + 1]!; k++) visit(pool[words[at]! + k]!)
  }
}

function withValues(
  column: CategoricalColumn & { encode: 'vocabulary' },
  dictionary: ByteDictionary,
  counts: Uint32Array,
): CategoricalColumn {
  const { minCount = 1 } = column
  const kept: { text: string; count: number }[] = []
  for (let i = 0; i < dictionary.size; i++) {
    const count = counts[i + 1] ?? 0
    const text = count >= minCount ? dictionary.text(i) : undefined
    if (text !== undefined) kept.push({ text, count })
  }
  kept.sort((a, b) => b.count - a.count || (a.text < b.text ? -1 : 1))
  return { ...column, size: kept.length + 1, values: kept.map(({ text }) => text) }
}
