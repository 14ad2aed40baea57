import { Worker } from 'node:worker_threads'
import { DlrmError } from '../errors.js'
import type { PackedBatch } from './records.js'
import type { PassOptions, Skipped, TextPlan } from './text_pass.js'
import type { ScanResult } from './text_scan.js'
import type { Reply, Request } from './text_worker.js'

/** Chunks that the thread may be ahead of the reader. */
const AHEAD = 4

// From TypeScript (tests) the entry is the .ts file; from dist the .js one.
const entry = new URL(`./text_worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

// A thread takes over the process's flags (a TypeScript loader among them), but refuses the one that `node -e` may have.
const flags = process.execArgv.some(flag => flag.startsWith('--input-type')) ? { execArgv: [] } : {}

interface Chunk {
  batches: PackedBatch[]
  skipped: Skipped
  done: boolean
}

/** A reading thread, which runs one pass at a time. It keeps the process alive only while somebody waits for it. */
class Reader {
  readonly plans = new Set<number>()
  busy = false
  /** The thread has ended, and `#failure` says why. */
  dead = false
  readonly #worker: Worker
  #id = 0
  readonly #arrived: Chunk[] = []
  #failure: DlrmError | undefined
  #waiting: { resolve: () => void } | undefined
  #scanned: ScanResult | undefined

  constructor(onExit: (reader: Reader) => void) {
    this.#worker = new Worker(entry, { name: 'dlrm-reader', ...flags })
    this.#worker.unref()
    this.#worker.on('message', (reply: Reply) => this.#take(reply))
    this.#worker.on('error', error => {
      this.#end(new DlrmError('ERR_STATE', `the reading thread failed: ${error.message}`, { cause: error }))
    })
    this.#worker.on('exit', () => {
      this.#end(new DlrmError('ERR_STATE', 'the reading thread has ended'))
      onExit(this)
    })
  }

  open(key: number, plan: TextPlan, options: PassOptions): void {
    this.#begin()
    if (!this.plans.has(key)) this.#post({ type: 'plan', key, plan })
    this.plans.add(key)
    this.#post({ type: 'open', id: this.#id, key, options })
    for (let i = 0; i < AHEAD; i++) this.#post({ type: 'pull', id: this.#id })
  }

  async next(): Promise<Chunk> {
    while (this.#arrived.length === 0 && !this.#failure) await this.#wait()
    const chunk = this.#arrived.shift()
    if (!chunk) throw this.#failure!
    if (!chunk.done) this.#post({ type: 'pull', id: this.#id })
    return chunk
  }

  async scan(plan: TextPlan): Promise<ScanResult> {
    this.#begin()
    this.#scanned = undefined
    this.#post({ type: 'scan', id: this.#id, plan })
    while (!this.#scanned && !this.#failure) await this.#wait()
    if (!this.#scanned) throw this.#failure!
    return this.#scanned
  }

  /** Ends the pass; what is still under way is dropped. */
  leave(): void {
    this.#post({ type: 'close', id: this.#id })
    this.#id++
    this.#arrived.length = 0
  }

  /** What has arrived is dropped too: a pass under way fails at once. */
  async terminate(): Promise<void> {
    this.#arrived.length = 0
    this.#end(new DlrmError('ERR_STATE', 'the data set was closed while it was read'))
    await this.#worker.terminate()
  }

  #begin(): void {
    if (!this.dead) this.#failure = undefined
    this.#id++
    this.#arrived.length = 0
  }

  #post(request: Request): void {
    this.#worker.postMessage(request)
  }

  async #wait(): Promise<void> {
    this.#worker.ref()
    await new Promise<void>(resolve => {
      this.#waiting = { resolve }
    })
    this.#worker.unref()
  }

  #take(reply: Reply): void {
    if (reply.id !== this.#id || this.dead) return
    if (reply.type === 'chunk') this.#arrived.push({ ...reply, done: false })
    else if (reply.type === 'done') this.#arrived.push({ batches: [], skipped: reply.skipped, done: true })
    else if (reply.type === 'scanned') this.#scanned = reply.result
    else this.#fail(new DlrmError(reply.code, reply.message, { cause: reply.cause }))
    this.#waiting?.resolve()
  }

  #end(error: DlrmError): void {
    this.dead = true
    this.#fail(error)
  }

  #fail(error: DlrmError): void {
    this.#failure ??= error
    this.#waiting?.resolve()
  }
}

/** The reading threads of one data set: one per pass under way, kept for the next pass. */
export class ReaderPool {
  readonly #readers = new Set<Reader>()
  #closed = false

  /** A free thread, rather one that knows plan `key` already and may still hold its rows. */
  #borrow(key?: number): Reader {
    if (this.#closed) throw new DlrmError('ERR_STATE', 'the data set is closed')
    const free = [...this.#readers].filter(reader => !reader.busy && !reader.dead)
    let reader = free.find(each => key !== undefined && each.plans.has(key)) ?? free[0]
    if (!reader) {
      reader = new Reader(gone => this.#readers.delete(gone))
      this.#readers.add(reader)
    }
    reader.busy = true
    return reader
  }

  /** Runs one pass; leaving the loop early frees the thread. */
  async *pass(key: number, plan: TextPlan, options: PassOptions): AsyncGenerator<Chunk> {
    const reader = this.#borrow(key)
    try {
      reader.open(key, plan, options)
      for (;;) {
        const chunk = await reader.next()
        yield chunk
        if (chunk.done) return
      }
    } finally {
      reader.leave()
      reader.busy = false
    }
  }

  async scan(plan: TextPlan): Promise<ScanResult> {
    const reader = this.#borrow()
    try {
      return await reader.scan(plan)
    } finally {
      reader.busy = false
    }
  }

  /** Ends every thread; a pass under way fails with `ERR_STATE`. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#readers].map(reader => reader.terminate()))
  }
}
