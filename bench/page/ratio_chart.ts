/** How many times as fast as its rivals: a bar for each rival of each piece of work. */
import { logarithmic, withTicks } from '../../lib/report/scale.js'
import { at, escaped } from '../../lib/report/svg.js'
import { time } from '../report.js'
import type { Figures, RivalResult } from '../rivals/run.js'

const WIDTH = 1240
const LEFT = 400
const RIGHT = 320
const ROW = 15
const GAP = 9
const TOP = 26
const BOTTOM = 30

/** Colours of the rivals, the same in all figures. */
const COLOUR: { [rival: string]: string } = { PyTorch: 'c1', 'ONNX Runtime': 'c0' }
const colourOf = (name: string): string => COLOUR[name] ?? 'c3'

/** Only what was timed beside a rival. */
export const compared = (results: readonly RivalResult[]): RivalResult[] =>
  results.filter(({ rivals }) => rivals.length > 0)

export const ratioOf = ({ ours }: RivalResult, rival: Figures): number => rival.median / ours.median

/** The chart's content and its size. */
export function ratioChart(results: readonly RivalResult[]): { width: number; height: number; body: string } {
  const rows = compared(results)
  const ratios = rows.flatMap(row => row.rivals.map(rival => ratioOf(row, rival)))
  const range = [Math.min(0.8, ...ratios) * 0.95, Math.max(4, ...ratios) * 1.05] as const
  const x = withTicks(logarithmic(range, [LEFT, WIDTH - RIGHT]), value => `${Number(value.toPrecision(2))}x`)
  let y = TOP
  const groups = rows.map(row => {
    const group = rowGroup(row, x, y)
    y += row.rivals.length * ROW + GAP
    return group
  })
  const ticks = x.ticks.map(({ value, text }) => {
    const place = at(x(value))
    return `<path class="grid" d="M${place} ${TOP - 8}V${y}"/><text x="${place}" y="${y + 16}" class="mid">${text}</text>`
  })
  const one = `<path class="target" d="M${at(x(1))} ${TOP - 8}V${y}"/><text x="${at(x(1))}" y="${TOP - 13}" class="mid">as fast as the rival</text>`
  return { width: WIDTH, height: y + BOTTOM, body: `${ticks.join('')}\n${groups.join('\n')}\n${one}` }
}

function rowGroup(row: RivalResult, x: (value: number) => number, top: number): string {
  const { name, batch, precision, ours, rivals } = row
  const middle = top + (rivals.length * ROW) / 2
  const what = `${escaped(name)}<tspan class="soft"> B ${batch}${precision === 'fp32' ? '' : ` ${precision}`}</tspan>`
  const bars = rivals.map((rival, i) => {
    const ratio = ratioOf(row, rival)
    const [a, b] = [x(1), x(ratio)].sort((p, q) => p - q) as [number, number]
    const y = top + i * ROW
    const text = `${time(ours.median)} against ${time(rival.median)}, ${rival.name} ${rival.best}`
    return (
      `<rect class="bar ${colourOf(rival.name)}" x="${at(a)}" y="${y + 1.5}" width="${at(Math.max(1, b - a))}" height="${ROW - 3}" rx="2"/>` +
      `<text x="${at(Math.max(b, x(1)) + 8)}" y="${y + 11.5}" class="value"><tspan class="strong">${ratio.toFixed(ratio < 10 ? 1 : 0)}x</tspan>` +
      `<tspan class="soft small" dx="7">${escaped(text)}</tspan></text>`
    )
  })
  return `<g><text x="${LEFT - 14}" y="${middle + 4}" class="end value">${what}</text>${bars.join('')}</g>`
}

/** Names and colours of the rivals. */
export function ratioLegend(results: readonly RivalResult[]): string {
  const names = new Map(
    results.flatMap(({ rivals }) => rivals.map(({ name, version = '' }) => [name, version] as const)),
  )
  return [...names]
    .map(([name, version]) => `<span class="swatch ${colourOf(name)}"></span>${escaped(`${name} ${version}`.trim())}`)
    .join(' ')
}
