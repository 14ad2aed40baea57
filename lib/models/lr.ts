import { linear } from '../graph/fields.js'
import { clicks } from '../graph/heads.js'
import { defineModel } from './define.js'

/**
 * Logistic regression on all fields: p = sigma(b + sum_i w_i x_i). With FTRL-proximal it is the model of McMahan et al. 2013,
 * "Ad click prediction: a view from the trenches".
 */
export const LR = defineModel({
  kind: 'lr',
  about: 'logistic regression (McMahan et al. 2013)',
  options: {},
  graph: g => clicks(g, linear(g, 'linear')),
})
