import { type Entrant, type Spread, showSpread } from './comparison.js'
import { auc, linear } from './scale.js'
import { at, colour, escaped, textWidth } from './svg.js'

const WIDTH = 1240
const RIGHT = 170
const ROW = 28
const TOP = 8
const BOTTOM = 44

/** One row of the chart: a model, its seeds and their mean. */
export interface DotRow {
  entrant: Entrant
  /** Decides the colour. */
  index: number
  values: readonly number[]
  spread: Spread | null
}

/** Models below each other, a point for each seed, a stroke for the mean; `kind` says what the values are. */
export function dotChart(title: string, rows: readonly DotRow[], kind: 'auc' | 'error'): string {
  const left = Math.max(90, ...rows.map(({ entrant }) => 28 + textWidth(entrant.name)))
  const all = rows.flatMap(({ entrant, values }) => [
    ...values,
    ...(entrant.target === undefined ? [] : [entrant.target]),
  ])
  const [low, high] = [Math.min(...all), Math.max(...all)]
  const margin = (high - low) * 0.06 || Math.abs(high) * 0.005
  const top = kind === 'auc' ? Math.min(high + margin / 4, (1 + high) / 2) : high + margin
  const x = (kind === 'auc' ? auc : linear)([low - margin, top], [left, WIDTH - RIGHT])
  const bottom = TOP + rows.length * ROW
  const ticks = x.ticks.map(({ value, text }) => {
    const place = at(x(value))
    return `<path class="grid" d="M${place} ${TOP}V${bottom}"/><text x="${place}" y="${bottom + 17}" class="mid">${text}</text>`
  })
  const axis = `<text x="${(left + WIDTH - RIGHT) / 2}" y="${bottom + 36}" class="mid name">${escaped(title)}${x.note ? ` (${x.note})` : ''}</text>`
  const lines = rows.map((row, i) => dotRow(row, x, left, TOP + (i + 0.5) * ROW))
  return `<svg viewBox="0 0 ${WIDTH} ${bottom + BOTTOM}" role="img" aria-label="${escaped(title)} of each model">
${ticks.join('')}${axis}
${lines.join('\n')}
</svg>`
}

function dotRow(
  { entrant, index, values, spread }: DotRow,
  x: (value: number) => number,
  left: number,
  y: number,
): string {
  const c = colour(index).split(' ')[0]
  const points = values.map(value => `<circle class="point ${c}" cx="${at(x(value))}" cy="${y}" r="4.5"/>`)
  const mean = spread && values.length > 1 ? `<path class="mean ${c}" d="M${at(x(spread.mean))} ${y - 9}v18"/>` : ''
  const target =
    entrant.target === undefined
      ? ''
      : `<path class="target" d="M${at(x(entrant.target))} ${y - 8}v16"><title>at least ${entrant.target}</title></path>`
  const result = entrant.error === undefined ? showSpread(spread) : 'failed'
  return `<g><path class="rule" d="M${left} ${y}H${WIDTH - RIGHT}"/><text x="${left - 12}" y="${y + 4}" class="end label">${escaped(entrant.name)}</text>${target}${mean}${points.join('')}<text x="${WIDTH - RIGHT + 12}" y="${y + 4}" class="value">${result}</text></g>`
}
