import { readFileSync } from 'node:fs'
import t from 'tap'
import { auc, MetricsAccumulator } from '../../lib/train/metrics.js'
import { Generator } from '../support/generator.js'

interface Case {
  name: string
  seed: number
  samples: number
  levels: number
  sharpness: number
  expected: Record<string, number>
}

const golden = JSON.parse(readFileSync(new URL('../golden/metrics.json', import.meta.url), 'utf8'))

/** Predictions and labels of a case, as make_metrics.py makes them. */
function data(c: Case): [Float32Array, Float32Array] {
  const g = new Generator(c.seed)
  const p = g.unit(c.samples)
  const chance = Float64Array.from(p, x => x ** c.sharpness)
  if (c.levels > 0) p.set(p.map(x => Math.floor(Math.fround(x * (c.levels + 1))) / c.levels))
  const y = g.unit(c.samples).map((u, i) => (u < chance[i] ? 1 : 0))
  return [p, y]
}

t.test('the figures of scikit-learn', async t => {
  for (const c of golden.cases as Case[]) {
    const [p, y] = data(c)
    const all = new MetricsAccumulator()
    for (let i = 0; i < p.length; i += 7001) all.add(p.subarray(i, i + 7001), y.subarray(i, i + 7001))
    const result = all.result()
    t.strictSame(Object.keys(result).sort(), Object.keys(c.expected).sort())
    for (const [key, value] of Object.entries(result)) {
      const error = Math.abs(value! / c.expected[key] - 1)
      t.ok(error < 1e-12, `${c.name}: ${key} ${value}, expected ${c.expected[key]}`)
    }
    t.strictSame(all.result(), result, 'result may be asked for again')
    t.equal(auc(p, y), result.auc)
  }
})

t.test('results so far do not disturb later batches', async t => {
  const [p, y] = data(golden.cases[1])
  const all = new MetricsAccumulator()
  for (let i = 0; i < p.length; i += 500) {
    all.add(p.subarray(i, i + 500), y.subarray(i, i + 500))
    all.result()
  }
  t.equal(all.result().auc, auc(p, y))
})

t.test('where a figure is not defined it is null', async t => {
  const of = (p: number[], y: number[]) => {
    const all = new MetricsAccumulator()
    all.add(Float32Array.from(p), Float32Array.from(y))
    return all.result()
  }
  t.match(of([0.25, 0.75], [0, 0]), { auc: null, normalizedEntropy: null, calibration: null, accuracy: 0.5 })
  t.match(of([0.25, 0.75], [1, 1]), { auc: null, normalizedEntropy: null, calibration: 0.5 })
  const soft = of([0.5, 0.25], [0.5, 0.25])
  t.match(soft, { auc: null, accuracy: null, calibration: 1, mse: 0 })
  t.ok(soft.normalizedEntropy! < 1)
  t.equal(of([0.5, 0.5, 0.5], [1, 0, 0]).auc, 0.5, 'all tied')
  t.equal(of([0, -0], [1, 0]).auc, 0.5, '0 and -0 tie')
  t.equal(of([0.1, 0.9], [1, 0]).auc, 0)
  t.equal(of([0.5], [0]).accuracy, 1, 'a prediction of exactly .5 says 0, as numpy.round')
  t.ok(Math.abs(of([1], [0]).logloss! - 23 * Math.LN2) < 1e-12, 'clamped')
  t.ok(of([1], [1]).logloss! < 1.2e-7)
})

t.test('numbers instead of probabilities', async t => {
  const all = new MetricsAccumulator('number')
  all.add(Float32Array.of(1, 4, -2), Float32Array.of(1, 2, 0))
  const nothing = { auc: null, logloss: null, normalizedEntropy: null, accuracy: null }
  t.match(all.result(), { ...nothing, calibration: 1, mse: 8 / 3, rmse: Math.sqrt(8 / 3) })
  t.throws(() => all.add(Float32Array.of(1), Float32Array.of(NaN)), { code: 'ERR_VALUE', message: /label 0/ })
  const ranked = new MetricsAccumulator('number')
  ranked.add(Float32Array.of(7, -1), Float32Array.of(1, 0))
  t.match(ranked.result(), { auc: 1, logloss: null, accuracy: null })
})

t.test('bad input is refused and counts nothing', async t => {
  const all = new MetricsAccumulator()
  t.throws(() => all.result(), { code: 'ERR_STATE' })
  all.add(Float32Array.of(0.5), Float32Array.of(1))
  t.throws(() => all.add(new Float32Array(2), new Float32Array(3)), { code: 'ERR_SHAPE' })
  t.throws(() => all.add(Float32Array.of(0.1, NaN), new Float32Array(2)), {
    code: 'ERR_VALUE',
    message: /prediction 1: .* NaN/,
  })
  t.throws(() => all.add(Float32Array.of(Infinity), new Float32Array(1)), { code: 'ERR_VALUE' })
  for (const label of [NaN, -1, 2]) {
    t.throws(() => all.add(Float32Array.of(0.1), Float32Array.of(label)), { code: 'ERR_VALUE', message: /label 0/ })
  }
  t.match(all.result(), { samples: 1, mse: 0.25 })
})
