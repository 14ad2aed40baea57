import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs `use` with a folder on a file system of `kib` KiB. Returns false, without calling it, where mounting is not permitted. */
export async function onTinyDisk(kib: number, use: (dir: string) => Promise<void>): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), 'dlrm-tiny-disk-'))
  try {
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', dir], { stdio: 'ignore' })
    } catch {
      return false
    }
    try {
      await use(dir)
    } finally {
      execFileSync('umount', [dir])
    }
    return true
  } finally {
    rmdirSync(dir)
  }
}
