import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DlrmError } from './errors.js'

/** What the native addon exports (native/binding/addon.cpp). */
// biome-ignore lint/suspicious/noEmptyInterface: filled together with the binding
export interface NativeAddon {}

// This file is one level below the package's root both as lib/native.ts and as dist/native.js.
const packageRoot = fileURLToPath(new URL('..', import.meta.url))

/**
 * Loads build/Release/dlrm.node, else the shipped prebuild for this platform. Never relies on an install script having
 * run: package managers may block them.
 *
 * @throws DlrmError `ERR_NATIVE`, with what to do, when there is no binary or it does not load; `cause` has the reason.
 */
export function loadNative(root: string = packageRoot): NativeAddon {
  try {
    const load = createRequire(import.meta.url)('node-gyp-build') as (dir: string) => NativeAddon
    return load(root)
  } catch (cause) {
    throw new DlrmError('ERR_NATIVE', explain(root, cause), { cause })
  }
}

function explain(root: string, cause: unknown): string {
  const why = cause instanceof Error ? cause.message.trim().split('\n')[0] : String(cause)
  return `The native part of dlrm could not be loaded for ${process.platform}-${process.arch}, Node ${process.version}: ${why}
Possible solutions:
- Install a C++ compiler, make and CMake (Debian: apt-get install g++ make cmake; macOS: xcode-select --install,
  brew install cmake), then build in place: node ${join(root, 'scripts', 'build-native.mjs')}
- If your package manager blocks install scripts (npm 12 and pnpm do), allow this one: npm rebuild dlrm --foreground-scripts
- If node_modules was copied from another machine or image, delete it and install here
- Shipped binaries are for linux-x64 with glibc 2.28 or newer (ldd --version); other systems build from source`
}

export const native: NativeAddon = loadNative()
