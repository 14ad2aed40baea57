import { Schema } from '../data/schema.js'
import { openSafetensors, type SafetensorsFile } from '../format/safetensors.js'
import { configFromShapes, type ModelHeader, readHeader } from '../models/storage.js'
import type { TableDtype } from '../native.js'
import type { Io } from './io.js'
import { count } from './output.js'

interface Contents {
  file: string
  /** `bare`: tensors without the metadata that `save` writes. */
  kind: string
  config: Record<string, unknown> | null
  schema: Schema | null
  tensors: { name: string; dtype: string; shape: number[] }[]
  parameters: number
  /** Of all tensors. */
  bytes: number
}

/** `dlrm info`: what is in a model file, from its header alone. */
export async function info(path: string, flags: { json?: boolean }, io: Io): Promise<number> {
  const file = await openSafetensors(path)
  try {
    const contents = describe(path, file)
    io.stdout.write(flags.json ? `${JSON.stringify(contents)}\n` : text(contents))
    return 0
  } finally {
    await file.close()
  }
}

function describe(path: string, file: SafetensorsFile): Contents {
  const header = readHeader(file)
  const tensors = [...file.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape: [...shape] }))
  const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)
  return {
    file: path,
    kind: header?.kind ?? 'bare',
    config: (header?.config as Contents['config']) ?? inferred(file),
    schema: header?.schema === undefined ? null : Schema.fromJSON(header.schema),
    tensors,
    parameters: tensors.reduce(
      (sum, { dtype, shape }) => sum + (dtype === 'U8' ? numbers(shape, header) : size(shape)),
      0,
    ),
    bytes: [...file.tensors.values()].reduce((sum, { begin, end }) => sum + end - begin, 0),
  }
}

/** Of a quantised table: rows of bytes, then scale and bias of 4 bytes each; or of half bytes, then both of 2 bytes. */
function numbers(shape: readonly number[], header: ModelHeader | undefined): number {
  const [rows = 0, bytes = 0] = shape
  const { tableDtype } = (header?.config ?? {}) as { tableDtype?: TableDtype }
  return tableDtype === 'int4' ? rows * 2 * (bytes - 4) : tableDtype === 'int8' ? rows * (bytes - 8) : rows * bytes
}

/** The config of a bare state_dict; null when these are not the tensors of a DLRM. */
function inferred(file: SafetensorsFile): Contents['config'] {
  try {
    return { ...configFromShapes(file) }
  } catch {
    return null
  }
}

const MOST_VALUES = 8

function text({ file, kind, config, schema, tensors, parameters, bytes }: Contents): string {
  const title = kind === 'bare' ? (config ? 'bare tensors of a dlrm' : 'tensors, but not of a dlrm') : kind
  const lines = [
    `${file}: ${title}, ${count(parameters)} parameters in ${tensors.length} tensors of ${count(bytes)} bytes`,
  ]
  if (config) {
    lines.push('', 'config')
    for (const [name, value] of Object.entries(config))
      if (value !== null) lines.push(`  ${name.padEnd(18)} ${short(value)}`)
  }
  lines.push('', ...(schema ? schemaLines(schema) : ['schema: none, so raw rows cannot be predicted']))
  const width = Math.max(...tensors.map(({ name }) => name.length), 0)
  lines.push('', 'tensors')
  for (const { name, dtype, shape } of tensors) lines.push(`  ${name.padEnd(width)} ${dtype} [${shape.join(', ')}]`)
  return `${lines.join('\n')}\n`
}

function short(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const parts = Object.entries(value).map(([name, each]) => `${name} ${short(each)}`)
    return parts.join(', ') || 'none'
  }
  if (!Array.isArray(value)) return String(value)
  const isObject = value.some(each => typeof each === 'object' && !Array.isArray(each))
  const shown = isObject ? value.slice(0, MOST_VALUES).map(short).join('; ') : value.slice(0, MOST_VALUES).join(' ')
  return value.length > MOST_VALUES ? `${shown} ... (${value.length})` : shown || 'none'
}

function schemaLines({ label, weight, dense, categorical }: Schema): string[] {
  const of = (columns: readonly { name: string }[]): string => short(columns.map(column => column.name))
  const transforms = [...new Set(dense.map(column => column.transform))].join(', ')
  const lines = [
    'schema',
    `  label              ${label}`,
    ...(weight === undefined ? [] : [`  weight             ${weight}`]),
    `  dense              ${of(dense)}${dense.length > 0 ? `: ${transforms}` : ''}`,
  ]
  for (const encode of ['vocabulary', 'hash', 'id']) {
    const columns = categorical.filter(column => column.encode === encode)
    if (columns.length === 0) continue
    const rows = columns.reduce((sum, { size, sharing }) => sum + (sharing === undefined ? size : 0), 0)
    lines.push(`  ${encode.padEnd(18)} ${of(columns)}: ${count(rows)} rows`)
  }
  const options: [string, string[]][] = [
    ['pooling', categorical.flatMap(({ name, pooling }) => (pooling ? [`${name} ${pooling}`] : []))],
    ['sharing', categorical.flatMap(({ name, sharing }) => (sharing === undefined ? [] : [`${name} with ${sharing}`]))],
    ['buckets', dense.flatMap(({ name, buckets }) => (buckets ? [`${name} ${buckets.length + 1}`] : []))],
  ]
  for (const [name, columns] of options)
    if (columns.length > 0) lines.push(`  ${name.padEnd(18)} ${columns.join(', ')}`)
  return lines
}
