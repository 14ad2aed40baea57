import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { BenchResults } from '../../bench/page/results.js'
import { kernels } from '../../lib/index.js'

const root = join(import.meta.dirname, '..', '..')

/** A program of the benchmark, with flags, without rivals. */
function bench(program: string, ...args: string[]) {
  const env = { ...process.env, DLRM_PYTHON: '', DLRM_ORT: '', DLRM_BROWSER: '' }
  return spawnSync(process.execPath, [join(root, 'build', 'bench', 'bench', program), ...args], {
    env,
    encoding: 'utf8',
  })
}

t.before(() => {
  const { status, stdout } = spawnSync('npm', ['run', '--silent', 'build:bench'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm run build:bench: ${stdout}`)
})

t.test('bench:rivals runs without rivals, and says what is missing', async t => {
  const { status, stdout, stderr } = bench('rivals/run.js', '--smoke', '--alone', '--json', '--case=step,predict')
  t.equal(status, 0, stderr)
  const results = stdout
    .trim()
    .split('\n')
    .map(text => JSON.parse(text))
  t.same(results.map(({ batch, precision }) => [batch, precision]).slice(0, 4), [
    [32, 'fp32'],
    [8, 'fp32'],
    [32, 'fp32'],
    [1, 'fp32'],
  ])
  t.ok(results.every(({ ours, rivals, ratio }) => ours.median > 0 && rivals.length === 0 && ratio === null))
  t.match(bench('rivals/run.js', '--smoke'), { status: 1, stderr: /set DLRM_PYTHON to .* or DLRM_ORT/ })
  t.match(bench('rivals/run.js', '--smoke', '--alone', '--case=nothing'), {
    status: 1,
    stderr: /no comparison matches; --case: step/,
  })
})

t.test('bench:report measures, writes a page and pictures, and makes them again without measuring', async t => {
  const out = t.testdir()
  const path = (name: string) => join(out, name)
  const measured = bench('page/run.js', '--smoke', `--out=${out}`)
  t.equal(measured.status, 0, measured.stderr)
  const results: BenchResults = JSON.parse(readFileSync(path('results.json'), 'utf8'))
  const ops = new Set(results.kernels!.ops.map(({ op }) => op))
  t.same([...ops].sort(), kernels.names(), 'every op')
  t.ok(results.kernels!.ops.every(({ median, share }) => median > 0 && share > 0))
  t.ok(results.scaling!.busy.ratio > 0)
  t.ok(results.rivals!.results.every(({ ours }) => ours.median > 0))

  const page = readFileSync(path('index.html'), 'utf8')
  for (const text of ['A smoke run', 'Share of the limit', 'Roofline', 'Speed by threads', 'npm run bench:train']) {
    t.ok(page.includes(text), text)
  }
  t.notMatch(page, /NaN|undefined|Infinity|<script|https?:/, 'every figure is one, nothing is loaded')
  for (const part of ['mlp', 'embedding_bag', 'cin']) t.ok(page.includes(`>${part}</text>`), `${part} has a label`)

  // Figures of a rival, as with Python.
  const rival = { name: 'PyTorch', version: '2.13', best: 'eager', median: 0, ways: {}, errors: {} }
  for (const row of results.rivals!.results) {
    Object.assign(row, { rivals: [{ ...rival, median: 3 * row.ours.median }], ratio: 3 })
  }
  writeFileSync(path('given.json'), JSON.stringify(results))
  const again = bench('page/run.js', `--from=${path('given.json')}`, `--out=${out}`)
  t.equal(again.status, 0, again.stderr)
  t.notMatch(again.stdout, /^measuring/m)
  const svg = readFileSync(path('speed.svg'), 'utf8')
  for (const text of [readFileSync(path('index.html'), 'utf8'), svg]) {
    t.match(text, /3\.0x<\/tspan>/)
    t.match(text, /training step, Criteo Kaggle/)
    t.notMatch(text, /NaN|undefined|Infinity/)
  }
  t.match(readFileSync(path('speed.md'), 'utf8'), /^\| training step, Criteo Kaggle, B = 32 \| .* \| 3\.0x \|$/m)
  t.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" .*<style>/s)
  t.same(JSON.parse(readFileSync(path('results.json'), 'utf8')), results, 'what was given lies beside its page')
})

t.test('bench:report says what is wrong', async t => {
  const file = join(t.testdir({ 'a.json': '{', 'b.json': '{"version":2}' }), 'a.json')
  const refused: [string, RegExp][] = [
    ['--from=/nowhere.json', /there is no such file/],
    [`--from=${file}`, /JSON/],
    [`--from=${file.replace('a.json', 'b.json')}`, /another version/],
    ['--parts=kernel', /expected kernels,scaling,rivals/],
    ['--seconds=0', /expected a number > 0/],
  ]
  for (const [flag, stderr] of refused) t.match(bench('page/run.js', flag), { status: 1, stderr }, flag)
})
