import { spawnSync } from 'node:child_process'
import type { Device } from '../lib/native.js'

/** Of one case on a GPU, its gigabytes made and all: kernels can hang. */
const MOST_MILLISECONDS_ON_A_GPU = 60_000

export interface OwnProcess {
  /** What it does, for the error. */
  what: string
  device?: Device
  env?: NodeJS.ProcessEnv
}

/** What this program of the benchmark prints, in a process of its own; throws if it fails. */
export function inOwnProcess(program: string, args: string[], { what, device, env }: OwnProcess): string {
  const child = spawnSync(process.execPath, [program, ...args], {
    ...(env && { env }),
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
    ...(device === 'cuda' && { timeout: MOST_MILLISECONDS_ON_A_GPU, killSignal: 'SIGKILL' }),
  })
  if (child.status !== 0) throw new Error(`${what} ended with ${child.signal ?? `status ${child.status}`}`)
  return child.stdout
}
