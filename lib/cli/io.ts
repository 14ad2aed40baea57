import { once } from 'node:events'

/** Where a command reads and writes; tests pass their own. */
export interface Io {
  stdin: NodeJS.ReadableStream
  stdout: NodeJS.WritableStream
  stderr: NodeJS.WritableStream
  /** A person is watching both outputs: show a progress bar. */
  terminal: boolean
  env: Readonly<Record<string, string | undefined>>
}

/** The process's own streams. A reader that goes away (`dlrm predict ... | head`) ends the process quietly. */
export function processIo(): Io {
  const { stdin, stdout, stderr, env } = process
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return { stdin, stdout, stderr, env, terminal: Boolean(stdout.isTTY && stderr.isTTY) }
}

/** Writes all of `text`; resolves when there is room for more, so that output larger than memory never piles up. */
export async function write(stream: NodeJS.WritableStream, text: string): Promise<void> {
  if (!stream.write(text)) await once(stream, 'drain')
}
