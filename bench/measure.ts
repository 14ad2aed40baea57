/** Times one case in this process, and what the machine can do at most beside it. */
import { type Isa, native, type OpResult } from '../lib/native.js'
import type { BenchCase, Pass } from './cases.js'

export interface Measurement {
  op: string
  shape: string
  pass: Pass
  isa: Isa
  threads: number
  repeats: number
  /** Milliseconds. */
  median: number
  /** From the first quartile to the third, as a share of the median. */
  spread: number
  gflops: number
  /** By the least traffic the pass can have. */
  gbs: number
  flops: number
  bytes: number
  /** What bounds the pass here, by the peaks measured beside it: multiply-adds, reading memory, fetching or changing random rows. */
  bound: 'fma' | 'read' | 'gather' | 'update'
  /** Of that, in GFLOP/s or GB/s. */
  peak: number
  /** The time the bound leaves, as a share of the median. */
  share: number
}

export function quantile(sorted: ArrayLike<number>, q: number): number {
  const at = (sorted.length - 1) * q
  const low = Math.floor(at)
  return sorted[low]! + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)]! - sorted[low]!)
}

/** Median and spread of times, in their unit. */
export function summary(times: ArrayLike<number>): { median: number; spread: number; best: number } {
  const sorted = Float64Array.from(times).sort()
  const median = quantile(sorted, 0.5)
  return { median, spread: (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / median, best: sorted[0]! }
}

export interface MeasureOptions {
  isa: Isa
  threads: number
  /** For the case; its peaks get as much again. */
  seconds: number
  /** Empty the caches between repeats of cases that fetch random rows. */
  cold: boolean
  /** Multiply-adds a second seen before in this run: of a limit the best reading counts, neighbours spoil others. */
  fma?: number
}

export function measure(bench: BenchCase, pass: Pass, options: MeasureOptions): Measurement {
  const { isa, threads, seconds } = options
  const cold = options.cold && bench.gather !== undefined
  const result = native.runOp({
    ...bench.call(),
    isa,
    threads,
    backward: pass === 'backward',
    repeats: 2000,
    seconds,
    cold,
  })
  const all = result.nanoseconds
  // The first two find memory untouched and threads asleep.
  const { median, spread } = summary(all.subarray(Math.min(2, all.length - 1)))
  const { bound, peak, ns } = bounds(bench, pass, result, options)
  return {
    op: bench.op,
    shape: bench.shape,
    pass,
    isa,
    threads,
    repeats: all.length,
    median: median / 1e6,
    spread,
    gflops: result.flops / median,
    gbs: result.bytes / median,
    flops: result.flops,
    bytes: result.bytes,
    bound,
    peak: peak / 1e9,
    share: ns / median,
  }
}

/**
 * Multiply-adds at the speed of the case's instruction set; memory at that of the machine's best. Of a pass that fetches
 * random rows, these rows alone count: each lookup's, or in an update each touched row once read and once written. Elsewhere
 * bytes written count as if read, so a pass over cached data that writes in place can come out above the bound.
 */
function bounds({ gather }: BenchCase, pass: Pass, { flops, bytes }: OpResult, options: MeasureOptions) {
  const { isa, threads } = options
  const seconds = options.seconds / 3
  const clamp = (n: number, most = 1 << 28) => Math.min(Math.max(n, 1 << 14), most)
  const fma = Math.max(options.fma ?? 0, native.probe('fma', { isa, threads, seconds }))
  const candidates: { bound: Measurement['bound']; peak: number; ns: number }[] = [
    { bound: 'fma', peak: fma, ns: (flops / fma) * 1e9 },
  ]
  if (gather) {
    const { rowBytes, lookups, tables, rows } = gather
    const bound = pass === 'update' ? 'update' : 'gather'
    const table = Math.max(clamp(tables * rows * rowBytes, 1 << 30), rowBytes)
    const peak = native.probe(bound, { threads, rowBytes, bytes: table, seconds })
    const touched = tables * rows * -Math.expm1((lookups / tables) * Math.log1p(-1 / rows))
    const traffic = bound === 'update' ? 2 * touched * rowBytes : lookups * rowBytes
    candidates.push({ bound, peak, ns: (traffic / peak) * 1e9 })
  } else {
    const peak = native.probe('read', { threads, bytes: clamp(bytes), seconds })
    candidates.push({ bound: 'read', peak, ns: (bytes / peak) * 1e9 })
  }
  return candidates.reduce((a, b) => (b.ns > a.ns ? b : a))
}
