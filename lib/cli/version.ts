import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** Version of this package. */
export function version(): string {
  const path = createRequire(import.meta.url).resolve('dlrm/package.json')
  return JSON.parse(readFileSync(path, 'utf8')).version
}
