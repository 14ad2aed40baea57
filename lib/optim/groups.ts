import { DlrmError } from '../errors.js'
import type { GroupRule } from '../native.js'
import { Optimizer, type OptimizerJSON, ruleAttrs } from './optimizer.js'

/** {@link ParameterGroups} as plain JSON. */
export interface ParameterGroupsJSON {
  groups: { [group: string]: OptimizerJSON }
}

/**
 * An optimizer for each parameter group of a model: rule, learning rate, schedule and regularisation of its own.
 *
 * ```ts
 * new ParameterGroups({ wide: new Adagrad({ lr: 0.05 }), tables: new RowWiseAdagrad(), '*': new Adam() })
 * ```
 *
 * The groups of a model are in `model.groups`: `tables` (embedding tables) and `mlp` (everything else), and those that its graph
 * makes with `g.group('wide', ...)`. `'*'` is for every group that is not named.
 * Errors: `ERR_ARGUMENT` for no group, or a value that is no optimizer; `compile` and `fit` refuse a group that the model lacks.
 */
export class ParameterGroups {
  readonly groups: Readonly<Record<string, Optimizer>>

  constructor(groups: Record<string, Optimizer>) {
    if (typeof groups !== 'object' || groups === null || Object.keys(groups).length === 0) {
      throw new DlrmError(
        'ERR_ARGUMENT',
        '[optimizer] groups: expected { <group>: <optimizer> } with at least one group',
      )
    }
    for (const [name, optimizer] of Object.entries(groups)) {
      if (!(optimizer instanceof Optimizer)) {
        throw new DlrmError('ERR_ARGUMENT', `[optimizer] groups: ${name}: expected an optimizer, received ${optimizer}`)
      }
    }
    this.groups = { ...groups }
  }

  /** The learning rate of each group at the `step`-th update, counted from 1. */
  lrAt(step: number): number[] {
    return Object.values(this.groups).map(optimizer => optimizer.lrAt(step))
  }

  /** Plain JSON, for `optimizerFromJSON`. */
  toJSON(): ParameterGroupsJSON {
    const groups = Object.entries(this.groups).map(([name, optimizer]) => [name, optimizer.toJSON()] as const)
    return { groups: Object.fromEntries(groups) }
  }
}

/** The rule of each group, as the native side takes them. `@internal` */
export function groupRules(optimizer: Optimizer | ParameterGroups): GroupRule[] {
  const groups = optimizer instanceof ParameterGroups ? optimizer.groups : { '*': optimizer }
  return Object.entries(groups).map(([group, one]) => ({ group, attrs: ruleAttrs(one) }))
}
