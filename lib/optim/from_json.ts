import { DlrmError } from '../errors.js'
import { Adagrad } from './adagrad.js'
import { Adam } from './adam.js'
import type { Optimizer, OptimizerJSON } from './optimizer.js'
import { RowWiseAdagrad } from './rowwise_adagrad.js'
import { scheduleFromJSON } from './schedule.js'
import { SGD } from './sgd.js'

const RULES = { sgd: SGD, adagrad: Adagrad, rowwise_adagrad: RowWiseAdagrad, adam: Adam }

/** The inverse of `toJSON`. Errors: `ERR_FORMAT` for an unknown rule, `ERR_ARGUMENT` for options the rule refuses. */
export function optimizerFromJSON(json: OptimizerJSON): Optimizer {
  if (typeof json?.rule !== 'string' || !Object.hasOwn(RULES, json.rule)) {
    throw new DlrmError('ERR_FORMAT', `[optimizer] unknown rule ${JSON.stringify(json?.rule)}`)
  }
  const schedule = json.schedule && scheduleFromJSON(json.schedule)
  return new RULES[json.rule]({ ...json, schedule })
}
