/** Flags as text: from a JSON file to what their parsers take, and back to a line that a shell takes. */
import { InvalidArgumentError } from 'commander'
import type { Flag } from './flag.js'
import { keyOf } from './settings.js'
import { UsageError } from './usage.js'

const nameOf = ({ spec }: Flag): string => spec.split(' ')[0]!.slice(2)

/** An object of flag names without dashes, values as text or as JSON has them. Errors: UsageError beginning with `where`. */
export function parseFlags(object: object, allowed: readonly Flag[], where: string): { [key: string]: unknown } {
  const parsed: { [key: string]: unknown } = {}
  for (const [name, value] of Object.entries(object)) {
    const flag = allowed.find(candidate => nameOf(candidate) === name)
    if (!flag) throw new UsageError(`${where}: ${JSON.stringify(name)} is no flag of a model or its training`)
    const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
    try {
      parsed[keyOf(`--${name}`)] = flag.parse(text)
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error
      throw new UsageError(`${where}: ${name}: ${text} is invalid. ${error.message}`)
    }
  }
  return parsed
}

/** A command line that means these flags. */
export function commandLine(command: string, flags: object): string {
  const given = Object.entries(flags).filter(([, value]) => value !== undefined)
  return [`dlrm ${command}`, ...given.map(([key, value]) => `--${dashed(key)}${valueText(key, value)}`)].join(' ')
}

const dashed = (key: string): string => key.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

function valueText(key: string, value: unknown): string {
  if (value === true) return ''
  return `=${quoted(key === 'modelOptions' ? JSON.stringify(value) : flagText(value))}`
}

function flagText(value: unknown): string {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const pairs = Object.entries(value).map(pair => pair.join('='))
    return pairs.join(',') || 'none'
  }
  if (!Array.isArray(value)) return String(value)
  if (value.length === 0) return 'none'
  if (Array.isArray(value[0])) return value.map(pair => pair.join(':')).join(',')
  return value.join(typeof value[0] === 'number' ? '-' : ',')
}

const quoted = (text: string): string => (/^[\w./,:=+@%~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)
