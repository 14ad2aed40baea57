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
  /** What bounds the pass here, by the peaks measured beside it: multiply-adds, reading memory, or fetching random rows. */
  bound: 'fma' | 'read' | 'gather'
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
}

export function measure(bench: BenchCase, pass: Pass, options: MeasureOptions): Measurement {
  const { isa, threads, seconds } = options
  const cold = options.cold && bench.gather !== undefined
  const result = native.runOp({
    ...bench.call,
    isa,
    threads,
    backward: pass === 'backward',
    repeats: 2000,
    seconds,
    cold,
  })
  const all = result.nanoseconds
  const { median, spread } = summary(all.subarray(1))
  const { bound, peak, share } = bounds(bench, result, options, median)
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
    bound,
    peak: peak / 1e9,
    share,
  }
}

/**
 * Multiply-adds at the speed of the case's instruction set; memory at that of the machine's best. Bytes written count as if
 * read, so a pass over cached data that writes in place can come out above the bound.
 */
function bounds({ gather }: BenchCase, { flops, bytes }: OpResult, options: MeasureOptions, median: number) {
  const { isa, threads } = options
  const seconds = options.seconds / 3
  const clamp = (n: number) => Math.min(Math.max(n, 1 << 14), 1 << 28)
  const fma = native.probe('fma', { isa, threads, seconds })
  const candidates: { bound: Measurement['bound']; peak: number; ns: number }[] = [
    { bound: 'fma', peak: fma, ns: (flops / fma) * 1e9 },
  ]
  if (gather) {
    const { rowBytes, lookups, tableBytes } = gather
    const peak = native.probe('gather', { threads, rowBytes, bytes: Math.max(clamp(tableBytes), rowBytes), seconds })
    candidates.push({ bound: 'gather', peak, ns: ((lookups * rowBytes) / peak) * 1e9 })
  } else {
    const peak = native.probe('read', { threads, bytes: clamp(bytes), seconds })
    candidates.push({ bound: 'read', peak, ns: (bytes / peak) * 1e9 })
  }
  const { bound, peak, ns } = candidates.reduce((a, b) => (b.ns > a.ns ? b : a))
  return { bound, peak, share: ns / median }
}
