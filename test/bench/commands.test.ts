import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..', '..')

/** A program of the benchmark, with flags, without rivals. */
function bench(program: string, ...args: string[]) {
  const env = { ...process.env, DLRM_PYTHON: '', DLRM_ORT: '' }
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
