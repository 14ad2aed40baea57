import type { Range, Scale } from './scale.js'
import { at, colour, escaped, textWidth } from './svg.js'

/** One line of a chart. */
export interface Line {
  name: string
  /** Decides the colour: the same for one model in all charts. */
  index: number
  points: readonly (readonly [x: number, y: number])[]
  /** Another seed of a model: thin, without a label. */
  faint?: boolean
}

export interface LineChart {
  title: string
  /** Beside the title. */
  note?: string
  /** What the axes are. */
  x: string
  y: string
  xScale(places: Range): Scale
  yScale(places: Range): Scale
  lines: readonly Line[]
}

const WIDTH = 640
const HEIGHT = 340
const LEFT = 56
const TOP = 14
const BOTTOM = 44
/** Least distance between labels. */
const SPACING = 14.5

/** A figure with lines, each labelled where it ends; points outside the y range are cut off. */
export function lineChart(chart: LineChart): string {
  const { title, lines } = chart
  const right = WIDTH - Math.max(60, ...lines.map(line => 20 + textWidth(line.name)))
  const x = chart.xScale([LEFT, right])
  const y = chart.yScale([HEIGHT - BOTTOM, TOP])
  const clip = `clip-${title.replace(/\W+/g, '-').toLowerCase()}`
  const notes = [chart.note, x.note && `${chart.x}: ${x.note}`, y.note && `${chart.y}: ${y.note}`].filter(Boolean)
  const body = [
    `<clipPath id="${clip}"><rect x="${LEFT}" y="${TOP}" width="${right - LEFT + 4}" height="${HEIGHT - TOP - BOTTOM}"/></clipPath>`,
    xAxis(x, chart.x, right),
    yAxis(y, right),
    ...lines.filter(line => line.faint).map(line => path(line, x, y, clip)),
    ...labelled(lines, x, y, right, clip),
  ]
  return `<figure>
<figcaption><b>${escaped(title)}</b>${notes.length > 0 ? ` <span>${escaped(notes.join('; '))}</span>` : ''}</figcaption>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">
${body.join('\n')}
</svg>
</figure>`
}

function xAxis(scale: Scale, name: string, right: number): string {
  const bottom = HEIGHT - BOTTOM
  const ticks = scale.ticks.map(({ value, text }) => {
    const x = at(scale(value))
    return `<path class="grid" d="M${x} ${TOP}V${bottom}"/><text x="${x}" y="${bottom + 17}" class="mid">${text}</text>`
  })
  return `${ticks.join('')}<text x="${(LEFT + right) / 2}" y="${HEIGHT - 8}" class="mid name">${escaped(name)}</text>`
}

function yAxis(scale: Scale, right: number): string {
  return scale.ticks
    .map(({ value, text }) => {
      const y = scale(value)
      return `<path class="grid" d="M${LEFT} ${at(y)}H${right}"/><text x="${LEFT - 8}" y="${at(y + 4)}" class="end">${text}</text>`
    })
    .join('')
}

function path({ points, index, faint, name }: Line, x: Scale, y: Scale, clip: string): string {
  const d = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${at(x(px))} ${at(bounded(y(py)))}`).join('')
  const title = faint ? '' : `<title>${escaped(name)}</title>`
  return `<path class="line ${colour(index)}${faint ? ' faint' : ''}" d="${d}" clip-path="url(#${clip})">${title}</path>`
}

/** Far outside is far enough. */
const bounded = (place: number): number => Math.max(-HEIGHT, Math.min(2 * HEIGHT, place))

/** The lines with their names at the right edge, moved apart where lines end close to each other. */
function labelled(lines: readonly Line[], x: Scale, y: Scale, right: number, clip: string): string[] {
  const inside = (place: number) => Math.max(TOP, Math.min(HEIGHT - BOTTOM, place))
  const ends = lines
    .filter(line => !line.faint && line.points.length > 0)
    .map(line => {
      const [px, py] = line.points.at(-1)!
      return { line, x: x(px), y: inside(y(py)) }
    })
    .sort((a, b) => a.y - b.y)
  const places = apart(ends.map(end => end.y))
  return ends.map(({ line, ...end }, i) => {
    const c = colour(line.index)
    const edge = right + 14
    const leader = `M${at(end.x)} ${at(end.y)}L${right + 2} ${at(end.y)}L${edge - 3} ${at(places[i]!)}`
    return `<g class="series">${path(line, x, y, clip)}<path class="leader ${c}" d="${leader}"/><circle class="dot ${c}" cx="${at(end.x)}" cy="${at(end.y)}" r="3"/><text x="${edge}" y="${at(places[i]! + 4)}" class="label ${c}">${escaped(line.name)}</text></g>`
  })
}

/** Moves sorted places as little as needed for `SPACING` between neighbours, within the height. */
function apart(places: readonly number[]): number[] {
  const top = TOP
  const bottom = HEIGHT - BOTTOM + 12
  const spacing = Math.min(SPACING, (bottom - top) / Math.max(1, places.length - 1))
  const groups: { sum: number; count: number }[] = []
  const start = ({ sum, count }: { sum: number; count: number }): number =>
    Math.max(top, Math.min(bottom - (count - 1) * spacing, sum / count - ((count - 1) * spacing) / 2))
  for (const place of places) {
    groups.push({ sum: place, count: 1 })
    for (let last = groups.length - 1; last > 0; last--) {
      const [a, b] = [groups[last - 1]!, groups[last]!]
      if (start(b) >= start(a) + a.count * spacing) break
      groups.splice(last - 1, 2, { sum: a.sum + b.sum, count: a.count + b.count })
    }
  }
  return groups.flatMap(group => Array.from({ length: group.count }, (_, i) => start(group) + i * spacing))
}
