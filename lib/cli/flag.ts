import { bool } from './parse.js'

/** What a run's data is; some flags are for some of these only. */
export type Mode = 'random' | 'trace' | 'synthetic' | 'kaggle' | 'csv'

/** One flag of a command: `spec` as commander writes it, `help` with unit and default. */
export interface Flag {
  spec: string
  help: string
  parse: (value: string) => unknown
  /** Refused with other data. */
  only?: readonly Mode[]
}

export const flag = (spec: string, parse: Flag['parse'], help: string, only?: readonly Mode[]): Flag => ({
  spec,
  parse,
  help,
  ...(only ? { only } : {}),
})

/** A flag without value, that also takes True or False. */
export const yes = (name: string, help: string, only?: readonly Mode[]): Flag =>
  flag(`${name} [bool]`, bool, help, only)

/** Of one command, by heading. */
export type Groups = Readonly<Record<string, readonly Flag[]>>
