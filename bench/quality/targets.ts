import { type Entrant, showSpread, summarise } from '../../lib/report/comparison.js'

/** Test AUC of each entry of frappe.json: at least, and what BARS (reczoo/BARS, Frappe_x1) reports. */
const TARGETS: { readonly [entry: string]: readonly [atLeast: number, published: string] } = {
  lr: [0.935, '0.9356'],
  fm: [0.967, '0.9671'],
  ffm: [0.979, '0.9786'],
  wide_deep: [0.983, '0.9841'],
  deepfm: [0.984, '0.9842'],
  norm_dnn: [0.983, 'DNN 0.9833'],
  dcn: [0.984, '0.9839'],
  dcn_v2: [0.984, '0.9845'],
  xdeepfm: [0.984, '0.9845'],
  dlrm_cat: [0.983, '0.9840'],
  dlrm_dot: [0.981, 'PyTorch 0.9813'],
}

/** How much AUC an entry may lose against another: the pruned model against itself unpruned. */
const RELATIVE: { readonly [entry: string]: readonly [other: string, loss: number] } = {
  deeplight: ['deeplight_dense', 0.001],
}

/** Least mean AUC; undefined for an entry without one, or whose yardstick was not run. */
export function targetOf(name: string, entrants: readonly Entrant[]): number | undefined {
  if (TARGETS[name]) return TARGETS[name][0]
  const [other, loss] = RELATIVE[name] ?? []
  const dense = entrants.find(entrant => entrant.name === other)
  const mean = dense && summarise(dense).auc?.mean
  return mean === undefined ? undefined : mean - loss!
}

/** A line for each entry, and what falls short. */
export function verdicts(entrants: readonly Entrant[]): { lines: string[]; short: string[] } {
  const short: string[] = []
  const rows = entrants.map(entrant => {
    const { name, auc, logloss, seconds, samplesPerSecond } = summarise(entrant)
    const target = targetOf(name, entrants)
    const missing = target === undefined ? 0 : target - (auc?.mean ?? 0)
    if (missing > 0 || !auc) short.push(auc ? `${name} by ${missing.toFixed(5)}` : `${name}: no result`)
    return [
      name,
      showSpread(auc),
      target === undefined ? '' : target.toFixed(target === TARGETS[name]?.[0] ? 3 : 5),
      TARGETS[name]?.[1] ?? '',
      !auc ? 'failed' : missing > 0 ? 'SHORT' : 'ok',
      showSpread(logloss),
      seconds?.toFixed(1) ?? '',
      samplesPerSecond === null ? '' : Math.round(samplesPerSecond).toLocaleString('en-US'),
    ]
  })
  const cells = [['entry', 'test AUC', 'at least', 'published', '', 'logloss', 'seconds', 'samples/s'], ...rows]
  const widths = cells[0]!.map((_, c) => Math.max(...cells.map(row => row[c]!.length)))
  return {
    lines: cells.map(row =>
      row.map((text, c) => (c === 0 ? text.padEnd(widths[c]!) : text.padStart(widths[c]!))).join('  '),
    ),
    short,
  }
}
