import { readFileSync, writeFileSync } from 'node:fs'
import { DlrmError, ioError } from '../errors.js'
import type { RandomState } from './numpy_random.js'
import { type DrawLookup, distinct, type LookupOptions, lookupData } from './random.js'
import type { DataSet } from './source.js'

/**
 * How a stream of accesses returns to what it touched before: its LRU stack distances (Hassan, Harris, Topham and Efthymiou,
 * "Synthetic Trace-Driven Simulation of Cache Memory", AINAM 2007), as the reference profiles a trace.
 */
export interface TraceProfile {
  /** The indices touched, in the order of their first access. */
  lines: readonly number[]
  /** The stack distances that occur, ascending; 0 is a first access, 1 the index accessed last. */
  distances: readonly number[]
  /** Share of the accesses whose distance is at most `distances[i]`. */
  cumulative: readonly number[]
}

export interface TraceOptions extends LookupOptions {
  /** One profile for all tables, or one per table. */
  profile: TraceProfile | readonly TraceProfile[]
  /** Once every index has come, take no more first accesses (the reference's padding). Default false. */
  padding?: boolean
}

/** The profile of a trace of indices. */
export function profileTrace(trace: ArrayLike<number>): TraceProfile {
  const lines: number[] = []
  const stack: number[] = []
  const counts = new Map<number, number>()
  for (let k = 0; k < trace.length; k++) {
    const index = trace[k]!
    const at = stack.lastIndexOf(index)
    const distance = at < 0 ? 0 : stack.length - at
    if (at < 0) lines.push(index)
    else stack.splice(at, 1)
    stack.push(index)
    counts.set(distance, (counts.get(distance) ?? 0) + 1)
  }
  const distances = [...counts.keys()].sort((a, b) => a - b)
  let sum = 0
  const cumulative = distances.map(distance => (sum += counts.get(distance)! / trace.length))
  return checked({ lines, distances, cumulative }, 'trace')
}

/** Reads a profile in the reference's format: three lines of numbers separated by ", ". */
export function readProfile(path: string): TraceProfile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw ioError(`cannot read ${path}`, error)
  }
  const [lines, distances, cumulative] = text
    .split(/\r?\n/)
    .map(line => line.split(',').map(cell => (cell.trim() === '' ? NaN : Number(cell))))
  if (!lines || !distances || !cumulative) throw new DlrmError('ERR_FORMAT', `${path}: expected three lines of numbers`)
  return checked({ lines, distances, cumulative }, path)
}

/** Writes a profile as the reference does. */
export function writeProfile(path: string, { lines, distances, cumulative }: TraceProfile): void {
  const shares = cumulative.map(share => (Number.isInteger(share) ? share.toFixed(1) : String(share)))
  try {
    writeFileSync(path, `${[lines, distances, shares].map(values => values.join(', ')).join('\n')}\n`)
  } catch (error) {
    throw ioError(`cannot write ${path}`, error)
  }
}

/**
 * The reference's `synthetic` data: random batches whose lookups follow a profile. As there, a lookup begins with nothing
 * accessed, indices are taken modulo R, and the draws are those of NumPy's generator.
 */
export function traceData(options: TraceOptions): DataSet {
  const { profile, padding = false, tables } = options
  const profiles = Array.isArray(profile)
    ? (profile as readonly TraceProfile[])
    : tables.map(() => profile as TraceProfile)
  if (profiles.length !== tables.length) {
    throw new DlrmError(
      'ERR_ARGUMENT',
      `profile: expected one, or one per table (${tables.length}), received ${profiles.length}`,
    )
  }
  profiles.forEach((each, t) => {
    checked(each, `profile[${t}]`, 'ERR_ARGUMENT')
  })
  const draw: DrawLookup = (random, t, rows, count) => {
    const drawn = distinct(generateTrace(profiles[t]!, random, count, padding))
    for (let i = 0; i < drawn.length; i++) drawn[i] = drawn[i]! % rows
    return drawn
  }
  return lookupData('synthetic', options, draw)
}

/** `count` accesses of an LRU stack whose distances are drawn from the profile. */
export function generateTrace(
  profile: TraceProfile,
  random: RandomState,
  count: number,
  padding = false,
): Float64Array {
  const { distances } = profile
  const most = distances[distances.length - 1]!
  const stack = [...profile.lines]
  const out = new Float64Array(count)
  let fresh = 0
  for (let k = 0; k < count; k++) {
    const distance = drawDistance(profile, random, most, fresh, padding)
    const at = distance === 0 ? 0 : stack.length - distance
    if (distance === 0) fresh++
    const line = stack.splice(at, 1)[0]!
    stack.push(line)
    out[k] = line
  }
  return out
}

/** Only distances to what has been touched can come, until the deepest one can. */
function drawDistance(
  { distances, cumulative }: TraceProfile,
  random: RandomState,
  most: number,
  fresh: number,
  padding: boolean,
): number {
  let u = random.random(1)[0]!
  if (fresh < most) {
    const above = distances.findIndex(distance => distance > fresh)
    u *= cumulative[above - 1]!
  } else if (padding) {
    u = (1 - cumulative[0]!) * u + cumulative[0]!
  }
  const at = cumulative.findIndex(share => u <= share)
  // Rounding may leave the last share just below 1.
  return at < 0 ? most : distances[at]!
}

function checked(
  profile: TraceProfile,
  what: string,
  code: 'ERR_FORMAT' | 'ERR_ARGUMENT' = 'ERR_FORMAT',
): TraceProfile {
  const { lines, distances, cumulative } = profile
  const bad = (fault: string): DlrmError => new DlrmError(code, `${what}: not a trace profile: ${fault}`)
  if (![lines, distances, cumulative].every(list => Array.isArray(list) && list.length > 0)) throw bad('an empty list')
  if (!lines.every(line => Number.isSafeInteger(line) && line >= 0)) throw bad('indices must be integers >= 0')
  if (distances.length !== cumulative.length) throw bad('as many distances as shares are needed')
  const ascending = (list: readonly number[]): boolean => list.every((x, i) => i === 0 || x > list[i - 1]!)
  if (distances[0] !== 0 || !ascending(distances) || !distances.every(Number.isInteger)) {
    throw bad('distances must be ascending integers from 0')
  }
  if (distances[distances.length - 1]! > lines.length) throw bad('a distance goes deeper than there are indices')
  const last = cumulative[cumulative.length - 1]!
  if (!ascending(cumulative) || !(cumulative[0]! > 0) || Math.abs(last - 1) > 1e-6) throw bad('shares must ascend to 1')
  return profile
}
