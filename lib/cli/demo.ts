import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { criteoRow, openCriteo } from '../data/criteo.js'
import type { DataSet } from '../data/source.js'
import { type WrittenCriteo, writeCriteo } from '../data/write_criteo.js'
import { DLRM } from '../models/dlrm.js'
import { native } from '../native.js'
import { Adagrad } from '../optim/adagrad.js'
import { evaluate } from '../train/evaluate.js'
import type { Io } from './io.js'
import { count, makeReporter } from './output.js'
import { type Stop, stopOnSignals } from './signals.js'

interface DemoFlags {
  rows?: number
  seed?: number
  threads?: number
}

const VALID_FRACTION = 0.05
const BATCH = 1024
const SHAPE = { embeddingDim: 16, bottom: [64, 32], top: [128, 64] }
const LEARNING_RATE = 0.03

/** `dlrm demo`: the whole way on made-up clicks. Every figure it prints is measured; it leaves no file behind. */
export async function demo(flags: DemoFlags, io: Io): Promise<number> {
  const { rows = 600_000, seed = 1, threads } = flags
  if (threads !== undefined) native.threads(threads)
  const stop = stopOnSignals()
  const folder = mkdtempSync(join(tmpdir(), 'dlrm-demo-'))
  try {
    await new Demo(io, folder, stop).run(rows, seed)
    return stop.code
  } finally {
    rmSync(folder, { recursive: true, force: true })
    stop.dispose()
  }
}

class Demo {
  readonly #io: Io
  readonly #file: string
  readonly #saved: string
  readonly #stop: Stop

  constructor(io: Io, folder: string, stop: Stop) {
    this.#io = io
    this.#file = join(folder, 'train.txt')
    this.#saved = join(folder, 'model.safetensors')
    this.#stop = stop
  }

  #say(text: string): void {
    this.#io.stdout.write(`${text}\n`)
  }

  async run(rows: number, seed: number): Promise<void> {
    const written = this.#makeClicks(rows, seed)
    const data = await openCriteo(this.#file, { validFraction: VALID_FRACTION })
    try {
      const model = await this.#train(data, seed)
      if (this.#stop.code) return this.#say('\nStopped; the files are deleted.')
      await this.#judge(model, data, written)
      await this.#predict(await this.#reload(model))
    } finally {
      await data.close()
    }
    this.#say('\nAll figures were measured in this run; its files are deleted. Your own data: dlrm train --help')
  }

  #makeClicks(rows: number, seed: number): WrittenCriteo {
    this.#say(`1. Clicks: ${count(rows)} lines in Criteo's format; a hidden teacher decides who clicks`)
    const started = performance.now()
    const written = writeCriteo(this.#file, { rows, seed, validFraction: VALID_FRACTION })
    const { bytes, clickRate } = written
    this.#say(`   ${megabytes(bytes)}, ${(clickRate * 100).toFixed(1)} % clicks, made in ${seconds(started)}`)
    return written
  }

  async #train(data: DataSet, seed: number): Promise<DLRM> {
    const { denseCount: dense, tableSizes: tables, categorical } = data.schema
    const model = new DLRM({ ...SHAPE, dense, tables, tableNames: categorical.map(({ name }) => name), seed })
    const { embeddingDim, bottom, top } = model.config
    const layers = `bottom MLP ${[dense, ...bottom].join('-')}, top MLP ${top.join('-')}`
    this.#say(
      `2. Training: DLRM, ${dense} numbers, ${tables.length} tables of ${count(sum(tables))} rows x ${embeddingDim}, ${layers}`,
    )
    const cores = `${native.threads()} threads, ${native.isa()}`
    this.#say(`   ${count(model.parameterCount)} parameters, Adagrad, batches of ${count(BATCH)}, ${cores}`)
    const reporter = await makeReporter(this.#io, { progress: this.#io.terminal, printTime: true })
    const { train, schema, close } = data
    try {
      const total = Math.ceil((train.size ?? train.estimatedSize!) / BATCH)
      const { samples, seconds, samplesPerSecond } = await model.fit(
        { train, schema, close },
        {
          batchSize: BATCH,
          optimizer: new Adagrad({ lr: LEARNING_RATE }),
          seed,
          progressEvery: this.#io.terminal ? 8 : 100,
          onProgress: progress => reporter.step({ ...progress, total, estimated: train.size === undefined }),
          signal: this.#stop.signal,
        },
      )
      reporter.done()
      const speed = `${count(samplesPerSecond)} examples per second`
      this.#say(`   ${count(samples)} examples once in ${seconds.toFixed(1)} s: ${speed}`)
    } finally {
      reporter.done()
    }
    return model
  }

  async #judge(model: DLRM, data: DataSet, { teacherAuc }: WrittenCriteo): Promise<void> {
    const { auc, logloss, normalizedEntropy, samples } = await evaluate(model, data.valid!, { batchSize: 4 * BATCH })
    this.#say(`3. On the last ${count(samples)} lines, which it has not seen`)
    this.#say(`   AUC ${auc!.toFixed(4)}: the teacher's own, the ceiling, is ${teacherAuc.toFixed(4)}; guessing is 0.5`)
    const guess = (logloss! / normalizedEntropy!).toFixed(4)
    this.#say(`   logloss ${logloss!.toFixed(4)}: always answering the click rate is ${guess}`)
  }

  /** Both models, to be asked the same rows. */
  async #reload(model: DLRM): Promise<[DLRM, DLRM]> {
    await model.save(this.#saved)
    const started = performance.now()
    const loaded = await DLRM.load(this.#saved)
    const size = megabytes(statSync(this.#saved).size)
    this.#say(`4. Saved, ${size} with its vocabularies, and loaded again in ${seconds(started)}`)
    return [model, loaded]
  }

  async #predict([model, loaded]: [DLRM, DLRM]): Promise<void> {
    const lines = lastLines(this.#file, 3)
    const rows = lines.map(line => criteoRow(line))
    const [before, after] = await Promise.all([model.predictRows(rows), loaded.predictRows(rows)])
    const same = before.every((p, i) => p === after[i])
    this.#say(
      `5. Raw lines through the loaded model (${same ? 'bitwise as before it was saved' : 'NOT as before it was saved'})`,
    )
    rows.forEach((row, i) => {
      const { label, ...cells } = row
      const shown = ['I1', 'I2', 'I3', 'C1', 'C2'].map(name => `${name}=${cells[name]}`).join(' ')
      this.#say(
        `   ${shown} ...  click probability ${after[i]!.toFixed(4)}, in truth ${label === '1' ? 'a click' : 'no click'}`,
      )
    })
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
const seconds = (started: number): string => `${((performance.now() - started) / 1000).toFixed(2)} s`
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** The last complete lines of a file. */
function lastLines(path: string, wanted: number): string[] {
  const { size } = statSync(path)
  const bytes = Buffer.alloc(Math.min(size, 4096))
  const fd = openSync(path, 'r')
  try {
    readSync(fd, bytes, 0, bytes.length, size - bytes.length)
  } finally {
    closeSync(fd)
  }
  return bytes
    .toString()
    .split('\n')
    .slice(-wanted - 1, -1)
}
