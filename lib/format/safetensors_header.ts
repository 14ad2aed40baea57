import { DlrmError } from '../errors.js'

/** Bytes per element of every dtype of the format whose elements are whole bytes. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const

export type Dtype = keyof typeof DTYPE_BYTES

/** Where a tensor lies: bytes `[begin, end)` counted from the end of the header. */
export interface TensorInfo {
  dtype: Dtype
  shape: number[]
  begin: number
  end: number
}

export interface Header {
  metadata: Record<string, string>
  /** In file order. */
  tensors: Map<string, TensorInfo>
}

/** The format's own limit; it also bounds what a lying length can make us allocate. */
export const MAX_HEADER_BYTES = 100_000_000

/**
 * Parses and checks the JSON header: `dataBytes` is the length of the file after the header.
 * Every tensor must be `shape x dtype` bytes long, and together they must cover `[0, dataBytes)` without gap or overlap.
 * Errors: `ERR_FORMAT` naming `path`, the tensor and both figures.
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, path: string): Header {
  const bad = (what: string) => new DlrmError('ERR_FORMAT', `[safetensors] ${path}: ${what}`)
  const json = parseJson(bytes, bad)
  const metadata: Record<string, string> = Object.create(null)
  const list: [string, TensorInfo][] = []
  for (const [name, value] of Object.entries(json)) {
    if (name !== '__metadata__') {
      list.push([name, tensorInfo(value, what => bad(`tensor "${name}": ${what}`))])
      continue
    }
    if (!isObject(value)) throw bad('__metadata__ is not an object')
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== 'string') throw bad(`__metadata__ "${key}" is not a string`)
      metadata[key] = text
    }
  }
  list.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)
  checkCover(list, dataBytes, bad)
  return { metadata, tensors: new Map(list) }
}

type Bad = (what: string) => DlrmError

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseJson(bytes: Uint8Array, bad: Bad): Record<string, unknown> {
  let text: string
  let json: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    json = JSON.parse(text)
  } catch (cause) {
    throw bad(`the header is not JSON: ${(cause as Error).message}`)
  }
  if (!isObject(json)) throw bad('the header is not a JSON object')
  const twice = duplicateKey(text)
  if (twice !== undefined) throw bad(`the header names "${twice}" twice`)
  return json
}

/**
 * JSON.parse keeps the last of two equal keys without a word. Needs valid JSON.
 * A hand-written scan, since a regular expression would overflow its stack on metadata of some megabytes.
 */
function duplicateKey(text: string): string | undefined {
  const open: Set<string>[] = []
  let from = 0
  let to = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]
    if (c === '"') {
      from = i++
      while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1
      to = i + 1
    } else if (c === '{') open.push(new Set())
    else if (c === '}') open.pop()
    else if (c === ':') {
      const key = JSON.parse(text.slice(from, to)) as string
      const keys = open[open.length - 1]
      if (keys.has(key)) return key
      keys.add(key)
    }
  }
  return undefined
}

/** For messages: a hostile header may hold megabytes. */
function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 80 ? `${text.slice(0, 80)}...` : text
}

function tensorInfo(value: unknown, bad: Bad): TensorInfo {
  if (!isObject(value)) throw bad('is not an object')
  const { dtype, shape, data_offsets: offsets } = value
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) throw bad(`unknown dtype ${brief(dtype)}`)
  const size = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0 && !Object.is(n, -0)
  if (!Array.isArray(shape) || !shape.every(size)) {
    throw bad(`shape must be a list of integers >= 0, received ${brief(shape)}`)
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(size) || offsets[0] > offsets[1]) {
    throw bad(`data_offsets must be [begin, end] with 0 <= begin <= end, received ${brief(offsets)}`)
  }
  let bytes: number = DTYPE_BYTES[dtype as Dtype]
  for (const n of shape) {
    bytes *= n
    if (!Number.isSafeInteger(bytes)) throw bad(`shape ${brief(shape)} overflows`)
  }
  const [begin, end] = offsets as [number, number]
  if (bytes !== end - begin) {
    throw bad(
      `shape ${brief(shape)} of ${dtype} takes ${bytes} bytes, data_offsets ${brief(offsets)} hold ${end - begin}`,
    )
  }
  return { dtype: dtype as Dtype, shape, begin, end }
}

function checkCover(sorted: [string, TensorInfo][], dataBytes: number, bad: Bad): void {
  let at = 0
  for (const [name, { begin, end }] of sorted) {
    if (begin < at)
      throw bad(`tensor "${name}" begins at byte ${begin}, inside the tensor before it, which ends at ${at}`)
    if (begin > at)
      throw bad(`tensor "${name}" begins at byte ${begin}, ${begin - at} bytes after the end of the one before`)
    at = end
  }
  if (at > dataBytes) throw bad(`truncated: tensors take ${at} bytes after the header, the file has ${dataBytes}`)
  if (at < dataBytes) throw bad(`${dataBytes - at} bytes after the last tensor, which ends at ${at}`)
}
