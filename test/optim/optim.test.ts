import { readFileSync } from 'node:fs'
import t from 'tap'
import { Adagrad } from '../../lib/optim/adagrad.js'
import { Adam } from '../../lib/optim/adam.js'
import { optimizerFromJSON } from '../../lib/optim/from_json.js'
import { FTRL } from '../../lib/optim/ftrl.js'
import { ParameterGroups } from '../../lib/optim/groups.js'
import type { Optimizer, OptimizerJSON } from '../../lib/optim/optimizer.js'
import { RowWiseAdagrad } from '../../lib/optim/rowwise_adagrad.js'
import { type ScheduleJSON, scheduleFromJSON, WarmupPolyDecay } from '../../lib/optim/schedule.js'
import { SGD } from '../../lib/optim/sgd.js'

const golden = JSON.parse(readFileSync(new URL('../golden/schedule.json', import.meta.url), 'utf8'))

t.test('the schedule is the reference LRPolicyScheduler, bit for bit', async t => {
  for (const { warmupSteps, decayStartStep, decaySteps, base, lr } of golden.cases) {
    const schedule = new WarmupPolyDecay({ warmupSteps, decayStartStep, decaySteps })
    const ours = (lr as number[]).map((_, i) => schedule.lr(base, i + 1))
    t.strictSame(ours, lr, `W ${warmupSteps}, D ${decayStartStep}, N ${decaySteps}, base ${base}`)
  }
})

t.test('where the reference dies, the rate is the base', async t => {
  t.strictSame(
    [1, 2, 3, 4, 5].map(step => new WarmupPolyDecay({ decayStartStep: 3, decaySteps: 2 }).lr(0.5, step)),
    [0.5, 0.5, 0.5, 0.125, 0.125],
  )
})

t.test('schedule options', async t => {
  t.throws(() => new WarmupPolyDecay({ warmupSteps: 3, decayStartStep: 2 }), {
    code: 'ERR_ARGUMENT',
    message: /warmupSteps \(3\)/,
  })
  for (const bad of [-1, 0.5, NaN, Infinity, '3' as unknown as number]) {
    t.throws(() => new WarmupPolyDecay({ decaySteps: bad }), { code: 'ERR_ARGUMENT' })
  }
  const schedule = new WarmupPolyDecay({ warmupSteps: 2, decayStartStep: 2, decaySteps: 3 })
  t.strictSame(scheduleFromJSON(JSON.parse(JSON.stringify(schedule))), schedule)
  t.throws(() => scheduleFromJSON({ name: 'cosine' } as unknown as ScheduleJSON), { code: 'ERR_FORMAT' })
})

t.test('optimizers: defaults, JSON and back', async t => {
  const cases: [Optimizer, OptimizerJSON][] = [
    [new SGD(), { rule: 'sgd', lr: 1e-3, lazy: true, momentum: 0, weightDecay: 0 }],
    [
      new SGD({ lr: 0.1, momentum: 0.9, weightDecay: 1e-4, lazy: false }),
      { rule: 'sgd', lr: 0.1, lazy: false, momentum: 0.9, weightDecay: 1e-4 },
    ],
    [
      new Adagrad(),
      { rule: 'adagrad', lr: 0.01, lazy: true, eps: 1e-10, initialAccumulator: 0, lrDecay: 0, weightDecay: 0 },
    ],
    [
      new RowWiseAdagrad({ lr: 0.02 }),
      { rule: 'rowwise_adagrad', lr: 0.02, lazy: true, eps: 1e-10, initialAccumulator: 0, lrDecay: 0, weightDecay: 0 },
    ],
    [
      new Adam({ decoupled: true, weightDecay: 0.01 }),
      { rule: 'adam', lr: 1e-3, lazy: true, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01, decoupled: true },
    ],
    [new FTRL({ l1: 0.5 }), { rule: 'ftrl', lr: 0.1, lazy: true, beta: 1, l1: 0.5, l2: 0 }],
  ]
  for (const [optimizer, json] of cases) {
    t.strictSame(optimizer.toJSON(), json)
    t.strictSame(optimizerFromJSON(JSON.parse(JSON.stringify(optimizer))), optimizer)
  }
  const scheduled = new SGD({ lr: 0.1, schedule: new WarmupPolyDecay({ warmupSteps: 4, decayStartStep: 4 }) })
  t.equal(optimizerFromJSON(JSON.parse(JSON.stringify(scheduled))).lrAt(1), 0.1 * 0.25)
  t.equal(new SGD({ lr: 0.1 }).lrAt(1000), 0.1)
  t.equal(new Adagrad({ lr: 1, lrDecay: 0.5 }).lrAt(3), 1, 'the rule itself decays')
})

t.test('parameter groups: one rate each, JSON and back', async t => {
  const schedule = new WarmupPolyDecay({ warmupSteps: 4, decayStartStep: 4 })
  const groups = new ParameterGroups({ tables: new RowWiseAdagrad(), '*': new Adam({ lr: 0.1, schedule }) })
  t.strictSame(groups.lrAt(2), [0.01, 0.1 * 0.5])
  t.strictSame(optimizerFromJSON(JSON.parse(JSON.stringify(groups))), groups)
  for (const bad of [{}, null, [], { tables: 1 }, { tables: groups }]) {
    t.throws(() => new ParameterGroups(bad as never), { code: 'ERR_ARGUMENT', message: /groups/ }, JSON.stringify(bad))
  }
  t.throws(() => optimizerFromJSON({ groups: { a: { rule: 'lion', lr: 1 } } } as never), { code: 'ERR_FORMAT' })
})

t.test('optimizers: options out of range', async t => {
  const bad = [
    () => new SGD({ lr: -1 }),
    () => new SGD({ lr: NaN }),
    () => new SGD({ lr: '1' as unknown as number }),
    () => new SGD({ momentum: 1 }),
    () => new SGD({ weightDecay: -1 }),
    () => new Adagrad({ eps: -1 }),
    () => new Adagrad({ lrDecay: Infinity }),
    () => new RowWiseAdagrad({ initialAccumulator: -0.1 }),
    () => new Adam({ beta1: 1 }),
    () => new Adam({ beta2: -0.1 }),
    () => new Adam({ decoupled: 1 as unknown as boolean }),
    () => new Adam({ lazy: 'no' as unknown as boolean }),
    () => new RowWiseAdagrad({ weightDecay: -1 }),
    () => new FTRL({ beta: -1 }),
    () => new FTRL({ l1: NaN }),
    () => new FTRL({ l2: -1 }),
    () => optimizerFromJSON({ rule: 'sgd', lr: -1 }),
  ]
  for (const make of bad) t.throws(make, { code: 'ERR_ARGUMENT' }, make.toString())
  for (const rule of ['lion', 'toString', undefined]) {
    t.throws(() => optimizerFromJSON({ rule, lr: 1 } as unknown as OptimizerJSON), { code: 'ERR_FORMAT' })
  }
})
