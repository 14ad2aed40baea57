import { type FileHandle, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { ioError } from '../errors.js'

/** Appends all of `bytes`; the caller may reuse the buffer once the promise resolves. */
export type Append = (bytes: Uint8Array) => Promise<void>

let counter = 0

/** `.<file>.<pid>.<n>.tmp` beside `path`: on the same file system, so that the rename is atomic, and recognisable when left behind. */
function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${counter++}.tmp`)
}

/** The process that wrote a temporary file of `path`'s kind, or undefined when `name` is no such file. */
export function temporaryOwner(name: string): { file: string; pid: number } | undefined {
  const match = /^\.(.+)\.(\d+)\.\d+\.tmp$/.exec(name)
  return match ? { file: match[1], pid: Number(match[2]) } : undefined
}

/**
 * Replaces `path` by what `produce` appends: all of it or nothing.
 *
 * The bytes go to a temporary file in the same folder, which is fsync'ed, renamed over `path`, and the folder fsync'ed.
 * A reader, and a machine that loses power at any moment, sees either the old file or the complete new one.
 * When anything fails (also in `produce`), the temporary file is removed and the old file is untouched.
 * Errors: `ERR_IO` with the operating system's error as `cause`; what `produce` throws passes unchanged.
 */
export async function atomicWrite(path: string, produce: (append: Append) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path)
  const fail = (cause: unknown) => ioError(`writing ${path}`, cause)
  const io = <T>(promise: Promise<T>): Promise<T> =>
    promise.catch(cause => {
      throw fail(cause)
    })
  const file = await io(open(temporary, 'wx'))
  try {
    try {
      await produce(bytes => io(appendAll(file, bytes)))
      await io(file.sync())
    } finally {
      await io(file.close())
    }
    await io(rename(temporary, path))
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  }
  await io(syncFolder(dirname(path)))
}

/** A write may be short (2 GiB limit of the system call, a nearly full disk): repeat until all is written or it fails. */
async function appendAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  const most = 1 << 26
  for (let at = 0; at < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, at, Math.min(most, bytes.byteLength - at))
    at += bytesWritten
  }
}

/** Makes the rename durable. Windows and a few file systems cannot fsync a folder: there the rename's own guarantee is all there is. */
async function syncFolder(folder: string): Promise<void> {
  const unsupported = new Set(['EISDIR', 'EINVAL', 'EPERM', 'ENOTSUP', 'EACCES'])
  try {
    const handle = await open(folder, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!unsupported.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
