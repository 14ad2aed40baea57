import { DlrmError } from '../errors.js'

/** The name and range of a whole-number option; throws `ERR_ARGUMENT` naming it. */
export function wholeNumber(name: string, value: unknown, low: number, high = Number.MAX_SAFE_INTEGER): number {
  if (!Number.isSafeInteger(value) || (value as number) < low || (value as number) > high) {
    const range = high === Number.MAX_SAFE_INTEGER ? `>= ${low}` : `in [${low}, ${high}]`
    throw new DlrmError('ERR_ARGUMENT', `${name}: expected an integer ${range}, received ${show(value)}`)
  }
  return value as number
}

/** A finite number in [low, high]; throws `ERR_ARGUMENT` naming it. */
export function numberIn(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== 'number' || !(value >= low && value <= high)) {
    throw new DlrmError('ERR_ARGUMENT', `${name}: expected a number in [${low}, ${high}], received ${show(value)}`)
  }
  return value
}

/** One of a few words; throws `ERR_ARGUMENT` naming them all. */
export function oneOf<T extends string>(name: string, value: unknown, words: readonly T[]): T {
  if (!words.includes(value as T)) {
    throw new DlrmError('ERR_ARGUMENT', `${name}: expected ${words.join(' or ')}, received ${show(value)}`)
  }
  return value as T
}

/** A non-empty list of table sizes. */
export function tableSizes(name: string, value: unknown): number[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new DlrmError('ERR_ARGUMENT', `${name}: expected a list of table sizes, received ${show(value)}`)
  }
  return value.map((size, i) => wholeNumber(`${name}[${i}]`, size, 1, 0x7fffffff))
}

/** A value as an error message shows it. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}...` : value)
  if (Array.isArray(value)) return `an array of ${value.length}`
  return typeof value === 'object' && value !== null ? `a ${value.constructor?.name ?? 'object'}` : String(value)
}

/** Size of an id column whose ids are still to be counted. */
export const OPEN_SIZE = 0x7fffffff
