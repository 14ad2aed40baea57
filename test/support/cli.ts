import { Readable } from 'node:stream'
import { run } from '../../lib/cli/program.js'

export interface CliResult {
  code: number
  out: string
  err: string
}

/** Runs a command line in this process, without a terminal. */
export async function runCli(
  argv: readonly string[],
  {
    stdin = [],
    env = {},
    onErr = () => {},
  }: { stdin?: readonly string[]; env?: Record<string, string>; onErr?: (text: string) => void } = {},
): Promise<CliResult> {
  const text = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => {
    const write = (chunk: string): boolean => {
      text[name] += chunk
      if (name === 'err') onErr(chunk)
      return true
    }
    return { write } as unknown as NodeJS.WritableStream
  }
  const code = await run(argv, {
    stdin: Readable.from(stdin),
    stdout: sink('out'),
    stderr: sink('err'),
    terminal: false,
    env,
  })
  return { code, ...text }
}

/** The lines of `--json`. */
export const objects = (text: string): Record<string, number>[] =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
