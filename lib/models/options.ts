/**
 * The kinds of options that a model of {@link defineModel} has, with their defaults.
 *
 * @packageDocumentation
 */
import { DlrmError } from '../errors.js'

/** One option of a model: its default, and what it takes, from a program or as the text of a flag. */
export interface Option<T> {
  readonly default: T
  /** One line for `--help`, without the default. */
  readonly help: string
  /** What stands for the value in `--help`, such as `E`. */
  readonly placeholder: string
  /** What is expected, if `value` is not that. */
  expected(value: unknown): string | undefined
  /** The value that a flag's text means; anything `expected` refuses if it means none. */
  parse(text: string): unknown
}

/** The options of a model by name. */
export type Options = { readonly [name: string]: Option<unknown> }

/** What a model's graph gets: a value for each option. */
export type Values<O extends Options> = { [K in keyof O]: O[K] extends Option<infer T> ? T : never }

const isNumber = (value: unknown, low: number, high: number): boolean =>
  typeof value === 'number' && value >= low && value <= high

const span = (low: number, high: number): string =>
  high < Number.MAX_SAFE_INTEGER ? `in [${low}, ${high}]` : `>= ${low}`

/** A whole number, at least `min` (default 1). */
export function integer(
  value: number,
  help: string,
  { min = 1, max = Number.MAX_SAFE_INTEGER, placeholder = 'n' } = {},
): Option<number> {
  const expected = (x: unknown) =>
    Number.isSafeInteger(x) && isNumber(x, min, max) ? undefined : `an integer ${span(min, max)}`
  return { default: value, help, placeholder, expected, parse: text => (text.trim() === '' ? text : Number(text)) }
}

/** A number in [min, max], by default [0, infinity). */
export function real(
  value: number,
  help: string,
  { min = 0, max = Number.MAX_VALUE, placeholder = 'x' } = {},
): Option<number> {
  const expected = (x: unknown) => (isNumber(x, min, max) ? undefined : `a number ${span(min, max)}`)
  return { default: value, help, placeholder, expected, parse: text => (text.trim() === '' ? text : Number(text)) }
}

/** Sizes of layers; as a flag `400-400-400`, or `none`. */
export function sizes(
  value: readonly number[],
  help: string,
  { placeholder = 'N-N-...' } = {},
): Option<readonly number[]> {
  const expected = (x: unknown) =>
    Array.isArray(x) && x.every(n => Number.isSafeInteger(n) && n >= 1)
      ? undefined
      : 'integers >= 1, as a flag 400-400-400 or none'
  return {
    default: value,
    help,
    placeholder,
    expected,
    parse: text => (text === 'none' ? [] : text.split('-').map(Number)),
  }
}

/** One of some words. */
export function choice<T extends string>(value: T, words: readonly T[], help: string): Option<T> {
  const expected = (x: unknown) => (words.includes(x as T) ? undefined : words.join(' or '))
  return { default: value, help, placeholder: 'kind', expected, parse: text => text }
}

/** True or false; as a flag also without a value. */
export function flag(value: boolean, help: string): Option<boolean> {
  const words: { [text: string]: boolean } = { true: true, '1': true, yes: true, false: false, '0': false, no: false }
  const expected = (x: unknown) => (typeof x === 'boolean' ? undefined : 'true or false')
  return { default: value, help, placeholder: 'bool', expected, parse: text => words[text.toLowerCase()] }
}

/** Pairs of column names; as a flag `C1:C2,C1:C5`. */
export function columnPairs(help: string): Option<readonly (readonly [string, string])[]> {
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && pair.length === 2 && pair.every(name => typeof name === 'string' && name !== '')
  const expected = (x: unknown) =>
    Array.isArray(x) && x.every(isPair) ? undefined : 'pairs of column names, as a flag C1:C2,C1:C5'
  return {
    default: [],
    help,
    placeholder: 'a:b,...',
    expected,
    parse: text => text.split(',').map(pair => pair.split(':')),
  }
}

/** A size for each of some columns, by name; as a flag `C1=32,C2=4`, or `none`. */
export function sizesByColumn(help: string): Option<{ readonly [column: string]: number }> {
  const isSize = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 1
  const expected = (x: unknown) =>
    typeof x === 'object' && x !== null && !Array.isArray(x) && Object.values(x).every(isSize)
      ? undefined
      : 'integers >= 1 by column, as a flag C1=32,C2=4 or none'
  const pair = (text: string): [string, unknown] => {
    const at = text.lastIndexOf('=')
    return [text.slice(0, at), at > 0 && at < text.length - 1 ? Number(text.slice(at + 1)) : text]
  }
  const parse = (text: string) => (text === 'none' ? {} : Object.fromEntries(text.split(',').map(pair)))
  return { default: {}, help, placeholder: 'column=E,...', expected, parse }
}

/** The options that most models share: the same word means the same everywhere. */
export const common = {
  embeddingDim: integer(10, 'width E of every embedding', { placeholder: 'E' }),
  embeddingStd: real(1e-4, 'deviation of the normal distribution that embeddings start from'),
  hidden: sizes([400, 400, 400], 'widths of the hidden layers of the MLP'),
  activation: choice('relu', ['relu', 'prelu', 'gelu', 'tanh', 'sigmoid'], 'of the hidden layers'),
  norm: choice('none', ['none', 'batch', 'layer'], 'normalisation before the activation of each hidden layer'),
  dropout: real(0, 'share of the activations of each hidden layer that a training step drops', { max: 0.99 }),
}

/** `given` with defaults. Errors: `ERR_ARGUMENT` for a value of the wrong kind or an option that the model does not have. */
export function complete<O extends Options>(kind: string, options: O, given: { [name: string]: unknown }): Values<O> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(options, name)) continue
    const known = Object.keys(options).join(', ')
    throw new DlrmError('ERR_ARGUMENT', `[${kind}] ${name}: no such option; it has ${known || 'none'}`)
  }
  const values: { [name: string]: unknown } = {}
  for (const [name, option] of Object.entries(options)) {
    const value = given[name] === undefined ? option.default : given[name]
    const expected = option.expected(value)
    if (expected) {
      throw new DlrmError('ERR_ARGUMENT', `[${kind}] ${name}: expected ${expected}, received ${JSON.stringify(value)}`)
    }
    values[name] = value
  }
  return values as Values<O>
}
