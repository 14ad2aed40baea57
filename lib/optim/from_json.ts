import { DlrmError } from '../errors.js'
import { Adagrad } from './adagrad.js'
import { Adam } from './adam.js'
import { FTRL } from './ftrl.js'
import { ParameterGroups, type ParameterGroupsJSON } from './groups.js'
import type { Optimizer, OptimizerJSON } from './optimizer.js'
import { RowWiseAdagrad } from './rowwise_adagrad.js'
import { scheduleFromJSON } from './schedule.js'
import { SGD } from './sgd.js'

const RULES = { sgd: SGD, adagrad: Adagrad, rowwise_adagrad: RowWiseAdagrad, adam: Adam, ftrl: FTRL }

/** The inverse of `toJSON`. Errors: `ERR_FORMAT` for an unknown rule, `ERR_ARGUMENT` for options the rule refuses. */
export function optimizerFromJSON(json: OptimizerJSON): Optimizer
export function optimizerFromJSON(json: OptimizerJSON | ParameterGroupsJSON): Optimizer | ParameterGroups
export function optimizerFromJSON(json: OptimizerJSON | ParameterGroupsJSON): Optimizer | ParameterGroups {
  if (json !== null && typeof json === 'object' && 'rule' in json) return one(json)
  const groups: unknown = json?.groups
  if (typeof groups !== 'object' || groups === null) {
    throw new DlrmError('ERR_FORMAT', `[optimizer] neither a rule nor groups: ${JSON.stringify(json)}`)
  }
  return new ParameterGroups(Object.fromEntries(Object.entries(groups).map(([name, each]) => [name, one(each)])))
}

function one(json: OptimizerJSON): Optimizer {
  if (typeof json?.rule !== 'string' || !Object.hasOwn(RULES, json.rule)) {
    throw new DlrmError('ERR_FORMAT', `[optimizer] unknown rule ${JSON.stringify(json?.rule)}`)
  }
  const { rule, schedule, ...options } = json
  return new RULES[rule]({ ...options, schedule: schedule && scheduleFromJSON(schedule) })
}
