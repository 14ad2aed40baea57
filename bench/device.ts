/** Times one case on the GPU, in this process, and what the GPU can do at most beside it. */
import { native } from '../lib/native.js'
import type { BenchCase, Pass } from './cases.js'
import { type Measurement, summary } from './measure.js'

/** Times are the kernels' alone, between events of the stream they run in; the bound is copying device memory, read and written. */
export interface DeviceMeasurement extends Omit<Measurement, 'isa' | 'bound'> {
  isa: 'cuda'
  bound: 'copy'
}

/** Far more than the last cache. */
const COPIED_BYTES = 1 << 30

export function measureOnDevice(bench: BenchCase, pass: Pass, seconds: number): DeviceMeasurement {
  const { op, shape, gather } = bench
  const result = native.runOp({
    ...bench.call(),
    device: 'cuda',
    backward: pass === 'backward',
    repeats: 1000,
    seconds,
    cold: gather !== undefined,
  })
  const { flops, bytes, nanoseconds } = result
  // The first ones bring what the host has written to the device.
  const { median, spread } = summary(nanoseconds.subarray(Math.min(3, nanoseconds.length - 1)))
  const smoke = seconds < 0.01
  const peak = native.probe('copy', { bytes: smoke ? 1 << 16 : COPIED_BYTES, seconds: seconds / 3 })
  return {
    op,
    shape,
    pass,
    isa: 'cuda',
    threads: 1,
    repeats: nanoseconds.length,
    median: median / 1e6,
    spread,
    gflops: flops / median,
    gbs: bytes / median,
    flops,
    bytes,
    bound: 'copy',
    peak: peak / 1e9,
    share: (bytes / peak) * (1e9 / median),
  }
}
