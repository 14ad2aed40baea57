import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { DlrmError, ioError } from '../errors.js'
import type { LineFormat } from './delimited.js'
import { type FeatureOptions, findBoundaries, refuseFeatures, withFeatures, withoutQuantiles } from './features.js'
import { numberIn, OPEN_SIZE, oneOf, show, wholeNumber } from './options.js'
import { ReaderPool } from './reader.js'
import { Layout, unpackBatch } from './records.js'
import { Schema, type SchemaJson } from './schema.js'
import type { BatchOptions, DataSet, DataSource, Located } from './source.js'
import type { Skipped, TextPlan } from './text_pass.js'

/** Options of every text file. */
export interface TextOptions extends FeatureOptions {
  /** Share of the file, at its end, that becomes `valid`: the order of a log is time. Default 0.1, or 0 with a file of its own. */
  validFraction?: number
  /** Skip malformed lines and count them in `source.skipped`, or stop with `ERR_DATA` naming file, line and fault. Default skip. */
  onBadLine?: 'skip' | 'error'
  /** Bytes of text held at once for shuffling (default 64 MiB, at least 64 KiB); a file of half as much is shuffled as a whole. */
  shuffleMemory?: number
  /** The schema of a saved model, to read a file as that model was trained; otherwise one is made. */
  schema?: Schema
}

/** What a file's first bytes say: where its lines begin, and the format of a line. */
export interface Opening {
  first: number
  format: LineFormat
}

export interface TextFiles extends TextOptions {
  train: string
  valid?: string
  test?: string
  inspect: (path: string, head: Buffer) => Opening
  /** Makes the schema when none is given: vocabularies empty, unknown sizes `OPEN_SIZE` and no quantiles, to be found in a first pass. */
  draft: (opening: Opening) => SchemaJson
}

const HEAD_BYTES = 1 << 20
const MiB = 1 << 20

let plansMade = 0

/** Opens the files, runs the first pass when the schema needs one, and splits. Reads nothing else. */
export async function openTextFiles(files: TextFiles): Promise<DataSet> {
  const { train, valid, test } = files
  const fraction = numberIn('validFraction', files.validFraction ?? (valid === undefined ? 0.1 : 0), 0, 0.999)
  if (valid !== undefined && fraction > 0) {
    throw new DlrmError('ERR_ARGUMENT', 'validFraction: give a fraction or a validation file, not both')
  }
  refuseFeatures(files.schema, files)
  const whole = planOf(files, train)
  const cut = whole.end - Math.floor((whole.end - whole.first) * fraction)
  const pool = new ReaderPool()
  try {
    const trainPlan = { ...whole, end: cut, schema: withoutQuantiles(whole.schema) }
    const { rows, skipped, schema: read } = await schemaOf(files, trainPlan, pool)
    // Of small groups: the thread need not keep its rows, which are not those of training.
    const samplePlan = { ...trainPlan, groupBytes: trainPlan.blockBytes, schema: read.toJSON() }
    const sample = new TextSource(pool, 'train', samplePlan, read, estimate(trainPlan))
    const schema = new Schema(await findBoundaries(read.toJSON(), whole.schema, files, sample))
    const source = (name: string, plan: TextPlan): TextSource => {
      return new TextSource(pool, name, { ...plan, schema: schema.toJSON() }, schema, estimate(plan))
    }
    const trainSource = source('train', trainPlan)
    if (rows !== undefined) trainSource.known(rows, skipped)
    else if (sample.size !== undefined) trainSource.known(sample.size, sample.skippedBy)
    return {
      schema,
      train: trainSource,
      ...(cut < whole.end ? { valid: source('valid', { ...whole, start: cut }) } : {}),
      ...(valid !== undefined ? { valid: source('valid', planOf(files, valid)) } : {}),
      ...(test !== undefined ? { test: source('test', planOf(files, test)) } : {}),
      close: () => pool.close(),
    }
  } catch (error) {
    await pool.close()
    throw error
  }
}

async function schemaOf(
  files: TextFiles,
  plan: TextPlan,
  pool: ReaderPool,
): Promise<{ schema: Schema; rows?: number; skipped: Skipped }> {
  const known = files.schema ?? new Schema(plan.schema)
  const isOpen = known.categorical.some(column => column.encode === 'vocabulary' || column.size === OPEN_SIZE)
  if (files.schema || !isOpen) return { schema: known, skipped: {} }
  const { schema, rows, skipped } = await pool.scan(plan)
  if (rows === 0) {
    const reasons = Object.entries(skipped).map(([reason, n]) => `${n} x ${reason}`)
    throw new DlrmError('ERR_DATA', `${plan.path}: no line could be read: ${reasons.join(', ') || 'it has none'}`)
  }
  return { schema: Schema.fromJSON(schema), rows, skipped }
}

function planOf(files: TextFiles, path: string): TextPlan {
  const { bytes, head } = readHead(path)
  const { first, format } = files.inspect(path, head)
  if (first >= bytes) throw new DlrmError('ERR_DATA', `${path}: has no rows`)
  const schema = files.schema?.toJSON() ?? withFeatures(files.draft({ first, format }), files)
  const needed = [schema.label, ...schema.dense.map(c => c.name), ...schema.categorical.map(c => c.name)]
  // Files that are only judged need no weights.
  if (schema.weight !== undefined && path === files.train && !files.schema) needed.push(schema.weight)
  const lacking = needed.find(name => !format.columns.includes(name))
  if (lacking !== undefined) throw new DlrmError('ERR_DATA', `${path}: has no column ${show(lacking)}`)
  const group = Math.floor(wholeNumber('shuffleMemory', files.shuffleMemory ?? 64 * MiB, 64 * 1024) / 2)
  const blockBytes = Math.min(MiB / 4, Math.max(4096, 2 ** Math.floor(Math.log2(group / 64))))
  return {
    path,
    fileBytes: bytes,
    first,
    start: first,
    end: bytes,
    format,
    schema,
    onBadLine: oneOf('onBadLine', files.onBadLine ?? 'skip', ['skip', 'error']),
    groupBytes: Math.floor(group / blockBytes) * blockBytes,
    blockBytes,
  }
}

function readHead(path: string): { bytes: number; head: Buffer } {
  if (typeof path !== 'string' || path === '') {
    throw new DlrmError('ERR_ARGUMENT', `path: expected a file name, received ${show(path)}`)
  }
  let stat: ReturnType<typeof statSync>
  let fd: number
  try {
    stat = statSync(path)
    fd = openSync(path, 'r')
  } catch (error) {
    throw ioError(`cannot open ${path}`, error)
  }
  try {
    if (!stat?.isFile()) throw new DlrmError('ERR_IO', `cannot read ${path}: not a regular file`)
    const head = Buffer.alloc(Math.min(HEAD_BYTES, stat.size))
    return { bytes: stat.size, head: head.subarray(0, readSync(fd, head, 0, head.length, 0)) }
  } catch (error) {
    throw error instanceof DlrmError ? error : ioError(`cannot read ${path}`, error)
  } finally {
    closeSync(fd)
  }
}

/** Rows of a split, from the lines in the file's first bytes. */
function estimate(plan: TextPlan): number {
  const { head } = readHead(plan.path)
  let lines = 0
  for (let i = head.indexOf(10, plan.first); i >= 0; i = head.indexOf(10, i + 1)) lines++
  const bytes = lines > 0 ? head.lastIndexOf(10) + 1 - plan.first : head.length - plan.first
  return Math.max(1, Math.round(((plan.end - plan.start) * Math.max(1, lines)) / bytes))
}

/** One split of a text file, read on a thread. */
class TextSource implements DataSource {
  readonly name: string
  readonly estimatedSize: number
  size?: number
  readonly #pool: ReaderPool
  readonly #key = ++plansMade
  readonly #plan: TextPlan
  readonly #layout: Layout
  #skipped: Skipped = {}

  constructor(pool: ReaderPool, name: string, plan: TextPlan, schema: Schema, estimatedSize: number) {
    this.#pool = pool
    this.name = name
    this.#plan = plan
    this.#layout = new Layout(schema)
    this.estimatedSize = estimatedSize
  }

  get skipped(): number {
    return Object.values(this.#skipped).reduce((sum, n) => sum + n, 0)
  }

  get skippedBy(): Skipped {
    return { ...this.#skipped }
  }

  /** Takes over what the first pass counted. */
  known(rows: number, skipped: Skipped): void {
    this.size = rows
    this.#skipped = skipped
  }

  batches(options: BatchOptions): AsyncIterable<Located> {
    const { batchSize, epoch = 0, seed = 0, shuffle = false, from } = options
    wholeNumber('batchSize', batchSize, 1, 0x7fffffff)
    wholeNumber('epoch', epoch, 0)
    wholeNumber('seed', seed, 0)
    return this.#read({ batchSize, epoch, seed, shuffle, ...(from === undefined ? {} : { from }) })
  }

  async *#read(options: Parameters<ReaderPool['pass']>[2]): AsyncGenerator<Located> {
    let rows = 0
    for await (const chunk of this.#pool.pass(this.#key, this.#plan, options)) {
      this.#skipped = chunk.skipped
      for (const { next, ...packed } of chunk.batches) {
        rows += packed.size
        yield { batch: unpackBatch(this.#layout, { ...packed, next }), next }
      }
      if (chunk.done && options.from === undefined) this.size = rows
    }
  }
}
