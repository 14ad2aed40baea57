import { InvalidArgumentError } from 'commander'

/** Parsers of flag values; each throws commander's InvalidArgumentError, which names the flag and the value. */
type Parse<T> = (text: string) => T

const within = (low: number, high: number): string => {
  if (high !== Number.MAX_VALUE && high !== Number.MAX_SAFE_INTEGER) return ` in [${low}, ${high}]`
  return low === -Number.MAX_VALUE ? '' : ` >= ${low}`
}

const check = (ok: boolean, expected: string): void => {
  if (!ok) throw new InvalidArgumentError(`Expected ${expected}.`)
}

const isNumber = (text: string): boolean => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)

export function integer(low: number, high = Number.MAX_SAFE_INTEGER): Parse<number> {
  return text => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN
    check(Number.isSafeInteger(value) && value >= low && value <= high, `an integer${within(low, high)}`)
    return value
  }
}

export function number(low = -Number.MAX_VALUE, high = Number.MAX_VALUE): Parse<number> {
  return text => {
    const value = isNumber(text) ? Number(text) : NaN
    check(value >= low && value <= high, `a number${within(low, high)}`)
    return value
  }
}

/** `512-256-64`. */
export const integers: Parse<number[]> = text => {
  const list = text.split('-').map(part => (/^\d+$/.test(part) ? Number(part) : NaN))
  check(
    list.every(value => Number.isSafeInteger(value) && value > 0),
    'integers >= 1 between dashes, such as 512-256-64',
  )
  return list
}

/** `0.2-0.8`. */
export const twoNumbers: Parse<[number, number]> = text => {
  const list = text.split('-')
  check(list.length === 2 && list.every(isNumber), 'two numbers >= 0 with a dash between, such as 0.2-0.8')
  return [Number(list[0]), Number(list[1])]
}

/** Of `--flag[=value]`: what Python's `type=bool` should have been. */
export const bool: Parse<boolean> = text => {
  const yes = /^(true|1|yes)$/i.test(text)
  check(yes || /^(false|0|no)$/i.test(text), 'True or False')
  return yes
}

/** Column names, `a,b,c`. */
export const names: Parse<string[]> = text => {
  const list = text.split(',').map(name => name.trim())
  check(
    list.every(name => name !== ''),
    'names between commas',
  )
  return list
}

/** `a=3,b=5`, each value as `parse` takes it. */
export function byColumn<T>(parse: (text: string) => T): Parse<{ [column: string]: T }> {
  return text => {
    const pairs = text.split(',').map((pair): [string, T] => {
      const at = pair.lastIndexOf('=')
      check(at > 0 && at < pair.length - 1, 'column=value, between commas')
      return [pair.slice(0, at).trim(), parse(pair.slice(at + 1).trim())]
    })
    const twice = pairs.find(([name], i) => pairs.findIndex(other => other[0] === name) !== i)
    check(!twice, `each column once, ${twice?.[0]} is there twice`)
    return Object.fromEntries(pairs)
  }
}

export const character: Parse<string> = text => {
  const value = text === '\\t' || text === 'tab' ? '\t' : text
  check(/^[\t -~]$/.test(value), 'one ASCII character, or tab')
  return value
}

export function oneOf<T extends string>(...words: T[]): Parse<T> {
  return text => {
    check(words.includes(text as T), words.join(' or '))
    return text as T
  }
}

export const text: Parse<string> = value => {
  check(value !== '', 'a name')
  return value
}

/** `0.9`, or shares of these parts, `a:0.5,b:0.9`, as pairs. */
export function shares(...parts: string[]): Parse<number | [string, number][]> {
  const share = number(0, 1)
  return text => {
    if (!text.includes(':')) return share(text)
    const pairs = text.split(',').map((pair): [string, number] => {
      const [part = '', value = '', more] = pair.split(':')
      check(parts.includes(part) && more === undefined, `a number, or shares of ${parts.join(', ')} as ${parts[0]}:0.5`)
      return [part, share(value)]
    })
    check(new Set(pairs.map(([part]) => part)).size === pairs.length, 'each part once')
    return pairs
  }
}

/** A JSON object. */
export const json: Parse<object> = text => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  check(typeof value === 'object' && value !== null && !Array.isArray(value), 'a JSON object')
  return value as object
}
