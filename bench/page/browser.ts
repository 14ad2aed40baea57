/** A picture of a page, where a browser is there. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']

/** The browser to use: `DLRM_BROWSER`, or a Chromium or Chrome on PATH. */
export function findBrowser(): string | undefined {
  const { DLRM_BROWSER, PATH = '' } = process.env
  if (DLRM_BROWSER !== undefined) return DLRM_BROWSER || undefined
  return PATH.split(delimiter)
    .flatMap(folder => NAMES.map(name => join(folder, name)))
    .find(path => existsSync(path))
}

/** Writes a PNG of a file of SVG or HTML; false, with a sentence on stderr, if the browser could not. */
export function screenshot(browser: string, from: string, to: string, width: number, height: number): boolean {
  const profile = mkdtempSync(join(tmpdir(), 'dlrm-browser-'))
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--hide-scrollbars']
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
  const size = [`--window-size=${width},${height}`, '--force-device-scale-factor=1', `--screenshot=${to}`]
  const args = [...flags, ...quiet, ...size, `--user-data-dir=${profile}`, pathToFileURL(from).href]
  try {
    const { status, stderr } = spawnSync(browser, args, { encoding: 'utf8', timeout: 60_000 })
    if (status === 0 && existsSync(to)) return true
    console.error(`bench:report: no PNG, ${browser} ended with ${status}: ${stderr.trim().split('\n').at(-1)}`)
    return false
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}
