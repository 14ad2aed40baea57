/** Lines for people. */
import { cpus } from 'node:os'
import { native } from '../lib/native.js'
import type { DeviceMeasurement } from './device.js'
import type { Measurement } from './measure.js'

type Any = Measurement | DeviceMeasurement

const COLUMNS: [title: string, width: number, value: (m: Any) => string][] = [
  ['op', -17, m => m.op],
  ['shape', -46, m => m.shape],
  ['pass', -9, m => m.pass],
  ['isa', -7, m => m.isa],
  ['threads', 7, m => `${m.threads}`],
  ['median', 10, m => time(m.median)],
  ['spread', 7, m => percent(m.spread)],
  ['GFLOP/s', 8, m => m.gflops.toFixed(1)],
  ['GB/s', 7, m => m.gbs.toFixed(2)],
  ['of peak', 8, m => percent(m.share)],
  ['', -22, m => `of ${m.peak.toFixed(m.peak < 10 ? 2 : 0)} ${m.bound === 'fma' ? 'GFLOP/s' : 'GB/s'} ${m.bound}`],
]

const pad = (text: string, width: number) => (width < 0 ? text.padEnd(-width) : text.padStart(width))

/** A duration in milliseconds with a unit that suits it. */
export function time(ms: number): string {
  return ms < 0.1 ? `${(ms * 1000).toFixed(2)} us` : `${ms.toFixed(ms < 10 ? 3 : 1)} ms`
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`

/** The machine and the table's head. */
export function heading(): string {
  return `${machine()}\n${COLUMNS.map(([title, width]) => pad(title, width)).join(' ')}`
}

export function row(m: Any): string {
  return COLUMNS.map(([, width, value]) => pad(value(m), width)).join(' ')
}

export function machine(): string {
  const model = cpus()[0]?.model.trim() ?? process.arch
  return `${model}, ${native.threads()} threads, ${native.isa()}, Node ${process.version}, ${new Date().toISOString().slice(0, 10)}`
}
