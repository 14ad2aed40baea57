/**
 * Measures everything and writes a page of it: `npm run bench:report -- [options]`.
 *
 *   --out=build/report         folder for results.json, index.html, speed.md, speed.svg and, where a browser is there, speed.png
 *   --from=results.json        take what was measured before, and measure nothing ...
 *   --parts=kernels,rivals     ... but these of kernels, scaling, rivals; without --from: only these
 *   --seconds=1  --rounds=5    of each case; of the rivals
 *   --smoke                    tiny shapes, a moment each: does everything run?
 *
 * kernels are `npm run bench`, scaling `npm run bench:train`, rivals `npm run bench:rivals` (with DLRM_PYTHON and DLRM_ORT, else
 * left out). About a quarter of an hour with both rivals, five minutes without.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { findBrowser, screenshot } from './browser.js'
import { type CollectOptions, collectKernels, collectRivals, collectScaling, emptyResults } from './collect.js'
import { markdown } from './markdown.js'
import { benchPage } from './page.js'
import { picture } from './picture.js'
import { type BenchResults, PARTS, type Part } from './results.js'

const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: 'build/report' },
    from: { type: 'string' },
    parts: { type: 'string' },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    smoke: { type: 'boolean', default: false },
  },
})

function fail(message: string): never {
  console.error(`bench:report: ${message}`)
  process.exit(1)
}

function readResults(path: string): BenchResults {
  if (!existsSync(path)) fail(`--from=${path}: there is no such file`)
  let results: BenchResults
  try {
    results = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    fail(`--from=${path}: ${(error as Error).message}`)
  }
  if (results?.version !== 1) fail(`--from=${path}: it is no file of bench:report, or one of another version`)
  return results
}

function chosen(): Part[] {
  if (options.parts === undefined) return options.from ? [] : [...PARTS]
  const parts = options.parts.split(',') as Part[]
  for (const part of parts) if (!PARTS.includes(part)) fail(`--parts=${options.parts}: expected ${PARTS}`)
  return parts
}

function positive(flag: 'seconds' | 'rounds'): number | undefined {
  const text = options[flag]
  if (text === undefined) return undefined
  if (!(Number(text) > 0)) fail(`--${flag}=${text}: expected a number > 0`)
  return Number(text)
}

const [seconds, rounds] = [positive('seconds'), positive('rounds')]
const how: CollectOptions = { smoke: options.smoke, ...(seconds ? { seconds } : {}), ...(rounds ? { rounds } : {}) }
const results = options.from ? readResults(options.from) : emptyResults(options.smoke)
const out = resolve(options.out)
mkdirSync(out, { recursive: true })
const path = (name: string) => join(out, name)
for (const part of chosen()) {
  console.log(`measuring ${part} ...`)
  if (part === 'kernels') results.kernels = collectKernels(how)
  else if (part === 'scaling') results.scaling = collectScaling(how)
  else results.rivals = collectRivals(how)
  writeFileSync(path('results.json'), `${JSON.stringify(results)}\n`)
}
if (!PARTS.some(part => results[part])) fail('nothing was measured')
writeFileSync(path('results.json'), `${JSON.stringify(results)}\n`)
writeFileSync(path('index.html'), benchPage(results, 'npm run bench:report'))
writeFileSync(path('speed.md'), markdown(results))
const svg = picture(results)
writeFileSync(path('speed.svg'), svg)
const browser = findBrowser()
const [, width, height] = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg)!.map(Number) as [number, number, number]
const drawn =
  browser !== undefined && screenshot(browser, path('speed.svg'), path('speed.png'), width, Math.ceil(height))
const files = ['results.json', 'index.html', 'speed.md', 'speed.svg', ...(drawn ? ['speed.png'] : [])]
console.log(files.map(name => relative('', path(name))).join('\n'))
if (!browser) console.log('no PNG: neither DLRM_BROWSER nor a Chromium on PATH')
