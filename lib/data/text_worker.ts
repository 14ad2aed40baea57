import { parentPort } from 'node:worker_threads'
import { DlrmError, type ErrorCode } from '../errors.js'
import type { PackedBatch } from './records.js'
import { type GroupCache, type PassOptions, type Skipped, TextPass, type TextPlan } from './text_pass.js'
import { type ScanResult, scanText } from './text_scan.js'

/** What the main thread asks. `id` numbers passes; a thread runs one at a time. */
export type Request =
  | { type: 'plan'; key: number; plan: TextPlan }
  | { type: 'open'; id: number; key: number; options: PassOptions }
  | { type: 'pull'; id: number }
  | { type: 'close'; id: number }
  | { type: 'scan'; id: number; plan: TextPlan }

/** What the thread answers: a chunk for each pull, `done` instead of it at the end. */
export type Reply =
  | { type: 'chunk'; id: number; batches: PackedBatch[]; skipped: Skipped }
  | { type: 'done'; id: number; skipped: Skipped }
  | { type: 'scanned'; id: number; result: ScanResult }
  | { type: 'error'; id: number; code: ErrorCode; message: string; cause?: unknown }

/** Small batches travel together: a message costs about 20 us on each side. */
const ROWS_PER_CHUNK = 4096

const port = parentPort!
const plans = new Map<number, TextPlan>()
const cache: GroupCache = new Map()
let running: { id: number; pass: TextPass; batchSize: number; pulls: number } | undefined
let pumping = false

port.on('message', (request: Request) => {
  const id = 'id' in request ? request.id : 0
  try {
    answer(request)
  } catch (error) {
    fail(id, error)
  }
})

function answer(request: Request): void {
  switch (request.type) {
    case 'plan':
      plans.set(request.key, request.plan)
      return
    case 'open': {
      const { id, key, options } = request
      running = { id, pass: new TextPass(plans.get(key)!, options, cache), batchSize: options.batchSize, pulls: 0 }
      pumpSoon()
      return
    }
    case 'pull':
      if (running?.id !== request.id) return
      running.pulls++
      pumpSoon()
      return
    case 'close':
      if (running?.id === request.id) stop()
      return
    case 'scan':
      send({ type: 'scanned', id: request.id, result: scanText(request.plan) })
  }
}

/** One chunk, or one block of the following group, per turn of the event loop, so that `close` is heard in between. */
function pump(): void {
  pumping = false
  if (!running) return
  const { id, pass } = running
  try {
    if (running.pulls > 0) {
      running.pulls--
      if (!sendChunk(running)) return
    } else if (!pass.prepare()) return
    pumpSoon()
  } catch (error) {
    fail(id, error)
  }
}

function pumpSoon(): void {
  if (!pumping) setImmediate(pump)
  pumping = true
}

/** False when the pass has ended. */
function sendChunk({ id, pass, batchSize }: { id: number; pass: TextPass; batchSize: number }): boolean {
  const batches: PackedBatch[] = []
  for (let rows = 0; rows < ROWS_PER_CHUNK; rows += batchSize) {
    const batch = pass.next()
    if (!batch) break
    batches.push(batch)
  }
  const { skipped } = pass
  if (batches.length > 0) {
    send(
      { type: 'chunk', id, batches, skipped },
      batches.map(batch => batch.buffer),
    )
    return true
  }
  stop()
  send({ type: 'done', id, skipped })
  return false
}

function stop(): void {
  running?.pass.close()
  running = undefined
}

function fail(id: number, error: unknown): void {
  stop()
  const code = error instanceof DlrmError ? error.code : error instanceof RangeError ? 'ERR_MEMORY' : 'ERR_STATE'
  const { message, cause } = error as Error
  send({ type: 'error', id, code, message, ...(cause instanceof Error ? { cause } : {}) })
}

function send(reply: Reply, transfer: ArrayBuffer[] = []): void {
  port.postMessage(reply, transfer)
}
