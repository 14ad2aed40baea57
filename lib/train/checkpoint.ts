import { mkdir, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Position } from '../data/source.js'
import { DlrmError, ioError } from '../errors.js'
import { temporaryOwner } from '../format/atomic.js'
import { openSafetensors, type SafetensorsFile, type TensorEntry, writeSafetensors } from '../format/safetensors.js'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Where a training run stands, beside its tensors. Plain JSON: everything that the next step depends on must be here or in a tensor. */
export interface TrainingState {
  /** Epoch from 0, and steps done in all. */
  epoch: number
  step: number
  /** Where the data source continues in this epoch; null at its start. */
  position: Position | null
  /** Seeds and counters of the generators in use. */
  rng: Json
  /** Best validation metric so far, its step, and validations since: the early-stopping counters. */
  best: { value: number; step: number } | null
  sinceBest: number
  /** Whatever else the run wants back. */
  [more: string]: Json
}

/** A checkpoint that passed validation. `file` is open: read its tensors, then close it. */
export interface Checkpoint {
  path: string
  step: number
  state: TrainingState
  file: SafetensorsFile
}

export interface CheckpointOptions {
  /** Folder of this run only; made when missing. */
  dir: string
  /** How many to keep, >= 1, default 3. */
  keep?: number
  /** Told of damaged checkpoints that were passed over and of old ones that could not be removed. */
  onWarning?: (message: string) => void
}

const STATE = 'dlrm.training'
/** A last tensor with the CRC-32 of all before it and of the metadata, as two exact floats: a checksum in plain safetensors. */
const CHECKSUM = 'checkpoint.crc32'

const fileName = (step: number) => `checkpoint-${step}.safetensors`

function stepOf(name: string): number | undefined {
  const match = /^checkpoint-(0|[1-9]\d*)\.safetensors$/.exec(name)
  return match ? Number(match[1]) : undefined
}

/**
 * A folder of `checkpoint-<step>.safetensors` files, each written completely or not at all; the last `keep` stay.
 * Whatever happens, also a kill at any moment, the last checkpoint whose `save` resolved can be loaded.
 */
export class Checkpoints {
  readonly dir: string
  readonly keep: number
  readonly #warn: (message: string) => void
  #swept = false

  constructor({ dir, keep = 3, onWarning = () => {} }: CheckpointOptions) {
    if (!Number.isSafeInteger(keep) || keep < 1) {
      throw new DlrmError('ERR_ARGUMENT', `[checkpoint] keep: expected an integer >= 1, received ${keep}`)
    }
    this.dir = dir
    this.keep = keep
    this.#warn = onWarning
  }

  /**
   * Writes a checkpoint, then removes those beyond `keep` and any of later steps (a run that went back has left them behind).
   * Returns its path. Errors: `ERR_IO`, `ERR_ARGUMENT` for a state JSON cannot hold, and as `writeSafetensors`; no checkpoint is lost then.
   */
  async save(
    state: TrainingState,
    tensors: readonly TensorEntry[],
    metadata: Record<string, string> = {},
  ): Promise<string> {
    const { step } = state
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new DlrmError('ERR_ARGUMENT', `[checkpoint] step: expected an integer >= 0, received ${step}`)
    }
    const all = { ...metadata, [STATE]: JSON.stringify(state, finite) }
    await io(`making ${this.dir}`, mkdir(this.dir, { recursive: true }))
    if (!this.#swept) await this.#sweep()
    this.#swept = true
    const path = join(this.dir, fileName(step))
    await writeSafetensors(path, withChecksum(tensors, all), all)
    const others = (await stepsIn(this.dir)).filter(s => s !== step)
    const kept = others.filter(s => s < step).slice(0, this.keep - 1)
    for (const old of others) if (!kept.includes(old)) await this.#remove(fileName(old))
    return path
  }

  /** The newest checkpoint that passes validation: format, checksum, state. Undefined when there is none. Errors: `ERR_IO` for a folder that cannot be read. */
  async latest(): Promise<Checkpoint | undefined> {
    for (const step of await stepsIn(this.dir)) {
      try {
        return await openCheckpoint(join(this.dir, fileName(step)), step)
      } catch (error) {
        this.#warn(`passed over ${fileName(step)}: ${(error as Error).message}`)
      }
    }
    return undefined
  }

  /** Removes temporary files of runs that were killed: their process is gone, or had our id before us. */
  async #sweep(): Promise<void> {
    for (const name of await readdir(this.dir)) {
      const owner = temporaryOwner(name)
      if (!owner || stepOf(owner.file) === undefined) continue
      if (owner.pid === process.pid || !isAlive(owner.pid)) await this.#remove(name)
    }
  }

  async #remove(name: string): Promise<void> {
    await unlink(join(this.dir, name)).catch(error => this.#warn(`could not remove ${name}: ${error.message}`))
  }
}

/** Opens and validates one checkpoint. Errors: `ERR_IO`; `ERR_FORMAT` for damage of any kind. */
export async function openCheckpoint(path: string, step?: number): Promise<Checkpoint> {
  const file = await openSafetensors(path)
  try {
    const bad = (what: string) => new DlrmError('ERR_FORMAT', `[checkpoint] ${path}: ${what}`)
    const state = parseState(file.metadata[STATE], bad)
    if (step !== undefined && state.step !== step) throw bad(`holds step ${state.step}`)
    if (file.tensors.get(CHECKSUM)?.shape.join() !== '2') throw bad(`no tensor "${CHECKSUM}" of shape [2]`)
    let crc = crc32(JSON.stringify(file.metadata))
    for (const name of file.tensors.keys()) {
      if (name === CHECKSUM) continue
      for await (const chunk of file.bytes(name)) crc = update(crc, chunk)
    }
    const [high, low] = await file.read(CHECKSUM)
    if (high * 65536 + low !== crc) throw bad('checksum does not match: the file is damaged')
    return { path, step: state.step, state, file }
  } catch (error) {
    await file.close()
    throw error
  }
}

function parseState(text: string | undefined, bad: (what: string) => DlrmError): TrainingState {
  if (text === undefined) throw bad('no training state: not a checkpoint')
  let state: TrainingState
  try {
    state = JSON.parse(text)
  } catch {
    throw bad('training state is not JSON')
  }
  const count = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0
  if (!count(state?.step) || !count(state?.epoch)) throw bad('training state lacks step and epoch')
  return state
}

/** The same tensors and a last one with their checksum, computed as they stream by. */
function withChecksum(tensors: readonly TensorEntry[], metadata: Record<string, string>): TensorEntry[] {
  let crc = crc32(JSON.stringify(metadata))
  const watched = tensors.map(tensor => ({
    ...tensor,
    async *chunks() {
      for await (const chunk of tensor.chunks()) {
        crc = update(crc, chunk)
        yield chunk
      }
    },
  }))
  return [...watched, { name: CHECKSUM, shape: [2], chunks: () => [Float32Array.of(crc >>> 16, crc & 0xffff)] }]
}

const update = (crc: number, chunk: Float32Array | Uint8Array) =>
  crc32(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength), crc)

/** JSON turns NaN and infinities into null without a word. */
function finite(key: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value
  throw new DlrmError('ERR_ARGUMENT', `[checkpoint] state "${key}": expected a finite number, received ${value}`)
}

/** Newest first; a folder that does not exist holds none. */
async function stepsIn(dir: string): Promise<number[]> {
  const names = await readdir(dir).catch(cause => {
    if (cause.code === 'ENOENT') return []
    throw ioError(`reading ${dir}`, cause)
  })
  return names.flatMap(name => stepOf(name) ?? []).sort((a, b) => b - a)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function io<T>(doing: string, promise: Promise<T>): Promise<T> {
  return promise.catch(cause => {
    throw ioError(doing, cause)
  })
}
