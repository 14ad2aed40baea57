/** Each op's share of what bounds it: bars up to the limit. */
import { at, escaped } from '../../lib/report/svg.js'
import type { Measurement } from '../measure.js'
import { time } from '../report.js'
import { BOUNDS } from './roofline.js'

const WIDTH = 1240
const LEFT = 420
const RIGHT = 230
const ROW = 19
const TOP = 26
const BOTTOM = 10
/** Between ops. */
const GAP = 8

/** The ops that a DLRM is made of, on the shapes that matter to it. */
export function essential(ops: readonly Measurement[]): Measurement[] {
  const names = ['mlp', 'interaction_dot', 'embedding_bag', 'embedding_update', 'dense_update']
  const passes = ['forward', 'backward', 'update']
  const rank = (m: Measurement) => names.indexOf(m.op) * 1e3 + ops.indexOf(m) + passes.indexOf(m.pass) / 10
  return ops.filter(({ op }) => names.includes(op)).toSorted((a, b) => rank(a) - rank(b))
}

/** The chart's content and its size. */
export function shareChart(ops: readonly Measurement[]): { width: number; height: number; body: string } {
  const most = Math.max(1.1, 1.08 * Math.max(...ops.map(({ share }) => share)))
  const x = (share: number) => LEFT + ((WIDTH - LEFT - RIGHT) * share) / most
  let bottom = TOP
  const tops = ops.map(({ op }, i) => {
    if (i > 0 && ops[i - 1]!.op !== op) bottom += GAP
    bottom += ROW
    return bottom - ROW
  })
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(share => {
    const place = at(x(share))
    const kind = share === 1 ? 'target' : 'grid'
    return `<path class="${kind}" d="M${place} ${TOP - 6}V${bottom}"/><text x="${place}" y="${TOP - 11}" class="mid">${share === 1 ? 'the limit' : `${100 * share} %`}</text>`
  })
  const rows = ops.map((m, i) => row(m, x, tops[i]!, i > 0 && ops[i - 1]!.op === m.op))
  return { width: WIDTH, height: bottom + BOTTOM, body: [...ticks, ...rows].join('\n') }
}

function row(m: Measurement, x: (share: number) => number, top: number, same: boolean): string {
  const { colour } = BOUNDS[m.bound]
  const end = x(m.share)
  const peak = `${m.peak.toFixed(m.peak < 10 ? 1 : 0)} ${m.bound === 'fma' ? 'GFLOP/s' : 'GB/s'}`
  const shape = m.shape.replace(/ x /g, ' \u00d7 ')
  return (
    `<g class="series"><text x="6" y="${top + 13}" class="value${same ? ' ghost' : ' strong'}">${escaped(m.op)}</text>` +
    `<text x="${LEFT - 14}" y="${top + 13}" class="end"><tspan class="value">${m.pass === 'update' ? '' : m.pass}</tspan> ${escaped(shape)}</text>` +
    `<rect class="bar ${colour}" x="${LEFT}" y="${top + 3}" width="${at(Math.max(1, end - LEFT))}" height="${ROW - 6}" rx="2"/>` +
    `<text x="${at(end + 7)}" y="${top + 13}" class="value strong">${Math.round(100 * m.share)} %</text>` +
    `<text x="${WIDTH - RIGHT + 46}" y="${top + 13}" class="small">${time(m.median)}, limit ${peak}</text></g>`
  )
}
