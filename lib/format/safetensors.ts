/**
 * Reader and writer of the safetensors format: 8 bytes little-endian header length N, N bytes of JSON
 * `{"__metadata__": {string: string}, "name": {"dtype", "shape", "data_offsets": [begin, end]}, ...}`, then the tensors' bytes
 * without gaps, row-major, little-endian. See https://github.com/huggingface/safetensors for the format.
 */
import { type FileHandle, open } from 'node:fs/promises'
import { DlrmError, ioError } from '../errors.js'
import { type Append, atomicWrite } from './atomic.js'
import { DTYPE_BYTES, type Dtype, MAX_HEADER_BYTES, parseHeader, type TensorInfo } from './safetensors_header.js'

export type { Dtype, TensorInfo } from './safetensors_header.js'

/**
 * A tensor to write: `chunks` yields its elements in order, as float32 or as the bytes of its dtype, in pieces of any size (a
 * yielded buffer may be reused for the next).
 */
export interface TensorEntry {
  name: string
  shape: readonly number[]
  /** Default F32. */
  dtype?: Dtype
  chunks(): Iterable<Float32Array | Uint8Array> | AsyncIterable<Float32Array | Uint8Array>
}

/** Largest single read; between reads the event loop runs. */
const READ_BYTES = 1 << 26
const STAGE_ELEMENTS = 1 << 20

/** An open file. Reads may run at the same time; call `close` when done. */
export class SafetensorsFile {
  readonly path: string
  /** The `__metadata__` of the header. */
  readonly metadata: Readonly<Record<string, string>>
  /** In file order. */
  readonly tensors: ReadonlyMap<string, Readonly<TensorInfo>>
  #file: FileHandle | undefined
  #dataStart: number

  /** @internal */
  constructor(
    path: string,
    file: FileHandle,
    dataStart: number,
    header: { metadata: Record<string, string>; tensors: Map<string, TensorInfo> },
  ) {
    this.path = path
    this.#file = file
    this.#dataStart = dataStart
    this.metadata = header.metadata
    this.tensors = header.tensors
  }

  /** A whole tensor as float32 (F16 and BF16 exactly, F64 rounded). Errors: `ERR_ARGUMENT` unknown name, `ERR_FORMAT` not a float dtype. */
  async read(name: string): Promise<Float32Array> {
    const out = new Float32Array(this.#elements(this.#info(name)))
    await this.readInto(name, out)
    return out
  }

  /** Fills `out` with elements `[start, start + out.length)` of a tensor. Errors: as `read`, and `ERR_SHAPE` beyond the tensor's end. */
  async readInto(name: string, out: Float32Array, start = 0): Promise<void> {
    const info = this.#info(name)
    const elements = this.#elements(info)
    if (!Number.isSafeInteger(start) || start < 0 || start + out.length > elements) {
      throw new DlrmError(
        'ERR_SHAPE',
        `[safetensors] ${this.path}: tensor "${name}" has ${elements} elements, received start ${start} and length ${out.length}`,
      )
    }
    const width = DTYPE_BYTES[info.dtype]
    const from = this.#dataStart + info.begin
    if (info.dtype === 'F32') {
      return this.#bytes(new Uint8Array(out.buffer, out.byteOffset, out.byteLength), from + start * width)
    }
    const stage = new Uint8Array(Math.min(out.length, STAGE_ELEMENTS) * width)
    for (let at = 0; at < out.length; at += STAGE_ELEMENTS) {
      const part = out.subarray(at, at + STAGE_ELEMENTS)
      await this.#bytes(stage.subarray(0, part.length * width), from + (start + at) * width)
      WIDEN[info.dtype as keyof typeof WIDEN](stage, part)
    }
  }

  /** A tensor in order, at most `most` elements at a time; a chunk is valid until the next one is asked for. */
  async *chunks(name: string, most = STAGE_ELEMENTS): AsyncGenerator<Float32Array, void, undefined> {
    if (!Number.isSafeInteger(most) || most < 1) {
      throw new DlrmError('ERR_ARGUMENT', `[safetensors] chunk size must be an integer >= 1, received ${most}`)
    }
    const elements = this.#elements(this.#info(name))
    const buffer = new Float32Array(Math.min(most, elements))
    for (let at = 0; at < elements; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, elements - at))
      await this.readInto(name, part, at)
      yield part
    }
  }

  /** The bytes of a tensor of any dtype in order, at most `most` at a time; a chunk is valid until the next one is asked for. */
  async *bytes(name: string, most = 4 * STAGE_ELEMENTS): AsyncGenerator<Uint8Array, void, undefined> {
    const info = this.tensors.get(name)
    if (!info) throw new DlrmError('ERR_ARGUMENT', `[safetensors] ${this.path}: no tensor "${name}"`)
    const buffer = new Uint8Array(Math.min(most, info.end - info.begin))
    for (let at = info.begin; at < info.end; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, info.end - at))
      await this.#bytes(part, this.#dataStart + at)
      yield part
    }
  }

  /** Closes the file; calling it again does nothing. */
  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  #info(name: string): TensorInfo {
    const info = this.tensors.get(name)
    if (!info) throw new DlrmError('ERR_ARGUMENT', `[safetensors] ${this.path}: no tensor "${name}"`)
    if (info.dtype !== 'F32' && !Object.hasOwn(WIDEN, info.dtype)) {
      throw new DlrmError(
        'ERR_FORMAT',
        `[safetensors] ${this.path}: tensor "${name}" is ${info.dtype}, expected F32, F16, BF16 or F64`,
      )
    }
    return info
  }

  #elements(info: TensorInfo): number {
    return (info.end - info.begin) / DTYPE_BYTES[info.dtype]
  }

  async #bytes(into: Uint8Array, position: number): Promise<void> {
    if (!this.#file) throw new DlrmError('ERR_STATE', `[safetensors] ${this.path} is closed`)
    const had = await readFully(this.#file, into, position, this.path)
    if (had < into.byteLength) {
      throw new DlrmError(
        'ERR_FORMAT',
        `[safetensors] ${this.path}: became shorter while it was read: ends at byte ${position + had}`,
      )
    }
  }
}

/**
 * Opens a file and checks its whole header. Errors: `ERR_IO`; `ERR_FORMAT` for a truncated or oversized header, one that is not JSON,
 * duplicate names, unknown dtypes, impossible shapes, and offsets that do not cover the file exactly.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  let file: FileHandle
  let size: number
  try {
    file = await open(path, 'r')
    size = (await file.stat()).size
  } catch (cause) {
    throw ioError(`opening ${path}`, cause)
  }
  try {
    const bad = (what: string) => new DlrmError('ERR_FORMAT', `[safetensors] ${path}: ${what}`)
    const first = new Uint8Array(8)
    const had = await readFully(file, first, 0, path)
    if (had < 8) throw bad(`truncated: ${had} bytes, the header length alone takes 8`)
    const length = Number(new DataView(first.buffer).getBigUint64(0, true))
    if (length > MAX_HEADER_BYTES) throw bad(`header of ${length} bytes, the limit is ${MAX_HEADER_BYTES}`)
    if (length > size - 8) throw bad(`truncated: header of ${length} bytes, the file has ${size - 8} after its length`)
    const header = new Uint8Array(length)
    if ((await readFully(file, header, 8, path)) < length) throw bad('became shorter while it was read')
    return new SafetensorsFile(path, file, 8 + length, parseHeader(header, size - 8 - length, path))
  } catch (error) {
    await file.close()
    throw error
  }
}

/** Reads until `into` is full or the file ends; returns the bytes read. */
async function readFully(file: FileHandle, into: Uint8Array, position: number, path: string): Promise<number> {
  let at = 0
  while (at < into.byteLength) {
    const { bytesRead } = await file
      .read(into, at, Math.min(READ_BYTES, into.byteLength - at), position + at)
      .catch(cause => {
        throw ioError(`reading ${path}`, cause)
      })
    if (bytesRead === 0) break
    at += bytesRead
  }
  return at
}

/**
 * Writes tensors, streaming (peak memory is one chunk) and atomically (see `atomicWrite`).
 * Errors: `ERR_ARGUMENT` for a bad name, shape or metadata, `ERR_SHAPE` when the chunks do not add up to the shape, `ERR_IO`;
 * after any of them the old file is as it was.
 */
export async function writeSafetensors(
  path: string,
  entries: readonly TensorEntry[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const header = buildHeader(entries, metadata)
  await atomicWrite(path, async append => {
    await append(header)
    for (const entry of entries) await appendTensor(entry, append)
  })
}

async function appendTensor(entry: TensorEntry, append: Append): Promise<void> {
  const width = DTYPE_BYTES[entry.dtype ?? 'F32']
  const expected = count(entry.shape)
  let received = 0
  for await (const chunk of entry.chunks()) {
    received += chunk.byteLength / width
    if (received > expected) break
    await append(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
  }
  if (received === expected) return
  const what = `tensor "${entry.name}" of shape [${entry.shape}] has ${expected} elements`
  throw new DlrmError('ERR_SHAPE', `[safetensors] ${what}, received ${received > expected ? 'more' : received}`)
}

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

function buildHeader(entries: readonly TensorEntry[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const bad = (what: string) => new DlrmError('ERR_ARGUMENT', `[safetensors] ${what}`)
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw bad(`metadata "${key}" must be a string, received ${typeof value}`)
  }
  const names = new Set(['__metadata__'])
  const parts = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : []
  let at = 0
  for (const { name, shape, dtype = 'F32' } of entries) {
    if (names.has(name)) throw bad(`tensor name "${name}" is taken`)
    names.add(name)
    const end = at + DTYPE_BYTES[dtype] * count(shape)
    if (!shape.every(n => Number.isSafeInteger(n) && n >= 0) || !Number.isSafeInteger(end)) {
      throw bad(`tensor "${name}": impossible shape [${shape}]`)
    }
    parts.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [at, end] })}`)
    at = end
  }
  const json = Buffer.from(`{${parts.join(',')}}`)
  const length = Math.ceil(json.length / 8) * 8
  if (length > MAX_HEADER_BYTES)
    throw bad(`header of ${length} bytes (mostly metadata?), the limit is ${MAX_HEADER_BYTES}`)
  const header = Buffer.alloc(8 + length, ' ')
  header.writeBigUInt64LE(BigInt(length))
  json.copy(header, 8)
  return header
}

/** From little-endian bytes of a dtype to float32. */
const WIDEN = {
  F16(from: Uint8Array, to: Float32Array) {
    const half = new Uint16Array(from.buffer, 0, to.length)
    const bits = new Uint32Array(to.buffer, to.byteOffset, to.length)
    for (let i = 0; i < half.length; i++) {
      const sign = (half[i] & 0x8000) << 16
      const exponent = (half[i] >> 10) & 31
      const fraction = half[i] & 1023
      if (exponent === 0) to[i] = (sign ? -1 : 1) * fraction * 2 ** -24
      else bits[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13)
    }
  },
  BF16(from: Uint8Array, to: Float32Array) {
    const half = new Uint16Array(from.buffer, 0, to.length)
    const bits = new Uint32Array(to.buffer, to.byteOffset, to.length)
    for (let i = 0; i < half.length; i++) bits[i] = half[i] << 16
  },
  F64(from: Uint8Array, to: Float32Array) {
    to.set(new Float64Array(from.buffer, 0, to.length))
  },
}
