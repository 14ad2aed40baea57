import type { ParameterGroup } from '../models/model.js'
import type { ParameterGroups } from '../optim/groups.js'
import type { Optimizer } from '../optim/optimizer.js'
import { defined } from './defined.js'
import { hasClicks, learningRate, type TrainSettings } from './settings.js'

/**
 * What the flags describe, for a model with these parameter groups: one optimizer, or one for each group where the wide part has
 * its own or tables have another weight decay.
 */
export async function makeOptimizer(
  s: TrainSettings,
  groups: readonly ParameterGroup[],
): Promise<Optimizer | ParameterGroups> {
  const { weightDecay, tableWeightDecay, wideOptimizer: wide } = s
  const own: Record<string, Optimizer> = {}
  for (const { name, tables } of groups) {
    const decay = tables ? tableWeightDecay : weightDecay
    if (wide && name === 'wide') {
      const lr = s.wideLearningRate ?? learningRate(wide, hasClicks(s.mode))
      own[name] = await makeRule(s, wide, lr, wide === 'ftrl' ? undefined : decay)
    } else if ((decay ?? 0) !== (weightDecay ?? 0)) {
      own[name] = await makeRule(s, s.optimizer, s.learningRate, decay)
    }
  }
  const rest = await makeRule(s, s.optimizer, s.learningRate, weightDecay)
  if (Object.keys(own).length === 0) return rest
  return new (await import('../optim/groups.js')).ParameterGroups({ ...own, '*': rest })
}

async function makeRule(
  s: TrainSettings,
  rule: TrainSettings['optimizer'],
  lr: number,
  weightDecay?: number,
): Promise<Optimizer> {
  const { lrNumWarmupSteps: warmupSteps = 0, lrDecayStartStep: decayStartStep = 0, lrNumDecaySteps: decaySteps = 0 } = s
  const { WarmupPolyDecay } = await import('../optim/schedule.js')
  const scheduled = warmupSteps > 0 || decaySteps > 0
  const common = {
    lr,
    ...(scheduled ? { schedule: new WarmupPolyDecay({ warmupSteps, decayStartStep, decaySteps }) } : {}),
    ...defined({ lazy: s.lazy }),
  }
  const options = { ...common, ...defined({ weightDecay }) }
  switch (rule) {
    case 'sgd':
      return new (await import('../optim/sgd.js')).SGD({ ...options, ...defined({ momentum: s.momentum }) })
    case 'adagrad':
      return new (await import('../optim/adagrad.js')).Adagrad(options)
    case 'rwsadagrad':
      return new (await import('../optim/rowwise_adagrad.js')).RowWiseAdagrad(options)
    case 'adam':
      return new (await import('../optim/adam.js')).Adam(options)
    case 'ftrl': {
      const own = defined({ beta: s.ftrlBeta, l1: s.ftrlL1, l2: s.ftrlL2 })
      return new (await import('../optim/ftrl.js')).FTRL({ ...common, ...own })
    }
  }
}
