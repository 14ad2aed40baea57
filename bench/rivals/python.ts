/** Runs rivals in a Python that has PyTorch: `DLRM_PYTHON`, see README.md. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))

/** The Python to use; ends the process with a sentence if none is named. `who` asks. */
export function requirePython(who: string): string {
  const python = process.env.DLRM_PYTHON
  if (python) return python
  console.error(`${who}: set DLRM_PYTHON to a Python that has PyTorch; bench/rivals/README.md says how to get it`)
  process.exit(1)
}

/** The JSON that a command prints in its last line; ends the process if it fails. */
export function run<T>(command: string, args: string[], env: Record<string, string> = {}): T {
  const child = spawnSync(command, args, {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (child.status !== 0) {
    console.error(`${command} ${args.join(' ')} ended with ${child.error ?? child.signal ?? child.status}`)
    process.exit(1)
  }
  return JSON.parse(child.stdout.trimEnd().split('\n').at(-1)!)
}

/** tsc copies no Python: the scripts lie where the sources do, above build/bench/bench/rivals. */
export function script(name: string): string {
  for (let dir = here; dirname(dir) !== dir; dir = dirname(dir)) {
    const path = join(dir, 'bench', 'rivals', name)
    if (existsSync(path)) return path
  }
  throw new Error(`bench/rivals/${name} is missing`)
}
