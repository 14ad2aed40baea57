import { readFileSync } from 'node:fs'
import t from 'tap'
import { RandomState } from '../../lib/data/numpy_random.js'

const golden = JSON.parse(readFileSync(new URL('../golden/numpy.json', import.meta.url), 'utf8'))

function doubles(base64: string): Float64Array {
  const bytes = Buffer.from(base64, 'base64')
  return Float64Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(i * 8))
}

/** Largest difference, relative to NumPy's number. */
function farthest(ours: Float64Array, numpy: Float64Array): number {
  return Math.max(...ours.map((x, i) => Math.abs(x - numpy[i]!) / Math.abs(numpy[i]!)))
}

t.test("NumPy's numbers, bit for bit", async t => {
  for (const { seed, random, normal, uniform, normal_after: normalAfter, later } of golden.generator) {
    const r = new RandomState(seed)
    t.strictSame(r.random(700), doubles(random), `seed ${seed}: random`)
    const normals = r.normal(0.5, 2, 301)
    t.ok(farthest(normals, doubles(normal)) < 1e-13, `seed ${seed}: normal, an odd number of them`)
    t.strictSame(Float32Array.from(normals), Float32Array.from(doubles(normal)), 'the same in float32')
    t.strictSame(r.uniform(-0.25, 4, 50), doubles(uniform), 'uniform')
    t.ok(farthest(r.normal(-1, 0.125, 4), doubles(normalAfter)) < 1e-13, 'the kept half of a pair comes first')
    r.rand(123456)
    t.strictSame(r.rand(5), doubles(later), 'after many twists')
  }
})

t.test('float32 output is the rounded float64 one', async t => {
  const a = new RandomState(7).uniform(-2, 3, 1000)
  t.strictSame(new RandomState(7).fillUniform(new Float32Array(1000), -2, 3), Float32Array.from(a))
  const b = new RandomState(7).normal(1, 2, 1000)
  t.strictSame(new RandomState(7).fillNormal(new Float32Array(1000), 1, 2), Float32Array.from(b))
})

t.test('state goes through JSON', async t => {
  const r = new RandomState(99)
  r.random(1001)
  r.normal(0, 1, 3)
  const state = JSON.parse(JSON.stringify(r.getState()))
  const expected = [...r.normal(0, 1, 5), ...r.random(700)]
  const other = new RandomState(1)
  other.setState(state)
  t.strictSame([...other.normal(0, 1, 5), ...other.random(700)], expected)
  r.seed(99)
  t.strictSame(r.random(4), new RandomState(99).random(4), 'seed starts again')
})

t.test('bad arguments', async t => {
  for (const seed of [-1, 1.5, 2 ** 32, Number.NaN]) {
    t.throws(() => new RandomState(seed), { code: 'ERR_ARGUMENT', message: /seed/ })
  }
  const r = new RandomState(1)
  t.throws(() => r.random(-1), { code: 'ERR_ARGUMENT' })
  t.throws(() => r.random(1.5), { code: 'ERR_ARGUMENT' })
  t.throws(() => r.normal(0, -1, 2), { code: 'ERR_ARGUMENT', message: /sigma/ })
  const good = r.getState()
  for (const bad of [undefined, {}, { ...good, key: 'AAAA' }, { ...good, position: 625 }, { ...good, position: -1 }]) {
    t.throws(() => r.setState(bad as typeof good), { code: 'ERR_ARGUMENT' })
  }
  t.throws(() => r.setState({ ...good, gauss: Number.NaN }), { code: 'ERR_ARGUMENT', message: /gauss/ })
})
