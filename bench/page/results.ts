/** Everything that a page of the benchmark shows: what `npm run bench:report` measures and writes as JSON. */
import type { Measurement } from '../measure.js'
import type { RivalResult } from '../rivals/run.js'
import type { BusyTiming, Timing } from '../train.js'

/** What the machine can do at most, on all threads; flops or bytes per second. */
export interface Limits {
  fma: number
  /** By bytes read again and again: from caches first, then from memory. */
  read: { bytes: number; rate: number }[]
  /** By bytes of a row. */
  gather: { rowBytes: number; rate: number }[]
}

/** When and how a part was measured. */
export interface Origin {
  date: string
  machine: string
  command: string
}

export interface BenchResults {
  /** Of this layout. */
  version: 1
  /** Tiny shapes, a moment each: the figures mean nothing. */
  smoke: boolean
  threads: number
  isa: string
  details: [name: string, value: string][]
  kernels?: Origin & { limits: Limits; ops: Measurement[] }
  scaling?: Origin & { threads: Timing[]; batches: Timing[]; busy: BusyTiming }
  rivals?: Origin & { results: RivalResult[] }
}

export const PARTS = ['kernels', 'scaling', 'rivals'] as const
export type Part = (typeof PARTS)[number]
