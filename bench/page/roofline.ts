/**
 * The roofline plot (Williams, Waterman, Patterson, "Roofline: an insightful visual performance model for multicore
 * architectures", CACM 2009): arithmetic of each op by the traffic it needs at least, below what the machine leaves.
 */
import { logarithmic, type Scale } from '../../lib/report/scale.js'
import { at, escaped } from '../../lib/report/svg.js'
import type { Measurement } from '../measure.js'
import { time } from '../report.js'
import { type Box, Labels } from './labels.js'
import type { Limits } from './results.js'

const WIDTH = 1240
const HEIGHT = 640
const LEFT = 64
const RIGHT = 22
const TOP = 18
const BOTTOM = 48

/** What bounds a pass, and its colour. */
export const BOUNDS: { [bound in Measurement['bound']]: { colour: string; text: string } } = {
  fma: { colour: 'c0', text: 'multiply-adds' },
  read: { colour: 'c2', text: 'reading memory' },
  gather: { colour: 'c1', text: 'fetching random rows' },
  update: { colour: 'c3', text: 'changing random rows' },
}

interface Place {
  m: Measurement
  x: number
  y: number
}

const intensity = ({ flops, bytes }: Measurement): number => flops / bytes

/** The chart's content and its size. */
export function roofline(ops: readonly Measurement[], limits: Limits): { width: number; height: number; body: string } {
  const drawn = ops.filter(m => m.flops > 0 && m.bytes > 0)
  const xs = drawn.map(intensity)
  const ys = drawn.map(m => m.gflops)
  const x = logarithmic([Math.min(0.05, ...xs) / 1.3, Math.max(100, ...xs) * 1.3], [LEFT, WIDTH - RIGHT])
  const y = logarithmic([Math.min(0.1, ...ys) / 1.3, (limits.fma / 1e9) * 1.35], [HEIGHT - BOTTOM, TOP])
  const places = drawn.map((m): Place => ({ m, x: x(intensity(m)), y: y(m.gflops) }))
  const labels = new Labels({ left: LEFT + 4, top: TOP + 4, right: WIDTH - RIGHT, bottom: HEIGHT - BOTTOM - 4 })
  for (const place of places) labels.block(place.x, place.y, 4.5)
  const roofs = roofLines(limits, x, y, labels)
  const named = representatives(places)
  const texts = named.map(place => label(place, labels))
  const clip = `<clipPath id="roof"><rect x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - RIGHT}" height="${HEIGHT - TOP - BOTTOM}"/></clipPath>`
  return {
    width: WIDTH,
    height: HEIGHT,
    body: [clip, axes(x, y), roofs, ...places.map(place => mark(place, named.includes(place))), ...texts].join('\n'),
  }
}

function axes(x: Scale, y: Scale): string {
  const bottom = HEIGHT - BOTTOM
  const columns = x.ticks.map(({ value, text }) => {
    const place = at(x(value))
    return `<path class="grid" d="M${place} ${TOP}V${bottom}"/><text x="${place}" y="${bottom + 17}" class="mid">${text}</text>`
  })
  const rows = y.ticks.map(({ value, text }) => {
    const place = y(value)
    return `<path class="grid" d="M${LEFT} ${at(place)}H${WIDTH - RIGHT}"/><text x="${LEFT - 8}" y="${at(place + 4)}" class="end">${text}</text>`
  })
  const names = [
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" class="mid name">arithmetic for each byte of the least traffic, flop/byte (log scale)</text>`,
    `<text transform="translate(14 ${(TOP + bottom) / 2}) rotate(-90)" class="mid name">GFLOP/s (log scale)</text>`,
  ]
  return [...columns, ...rows, ...names].join('')
}

/** The roof of multiply-adds, and slopes of what memory delivers. */
function roofLines({ fma, read, gather }: Limits, x: Scale, y: Scale, labels: Labels): string {
  const [cached, memory] = [read[0]!, read.at(-1)!]
  const slopes = [
    { rate: cached.rate, colour: 'c2 d1', text: `read from caches, ${gigabytes(cached.rate)}` },
    { rate: memory.rate, colour: 'c2', text: `read from memory, ${gigabytes(memory.rate)}` },
    ...gather.slice(0, 1).map(({ rate, rowBytes }) => ({
      rate,
      colour: 'c1',
      text: `random rows of ${rowBytes} bytes, ${gigabytes(rate)}`,
    })),
  ]
  const right = WIDTH - RIGHT
  const peak = y(fma / 1e9)
  const start = x(fma / cached.rate)
  const roof = `<path class="line roof c0" d="M${at(start)} ${at(peak)}H${right}"/><text x="${at(start + 12)}" y="${at(peak - 8)}" class="label slope c0">multiply-adds, ${Math.round(fma / 1e9)} GFLOP/s</text>`
  labels.reserve({ left: start, top: peak - 20, right: start + 190, bottom: peak - 3 })
  const lines = slopes.map(({ rate, colour, text }) => {
    // y = x rate on logarithmic axes: two points make the line; the text begins where it enters the plot.
    const ends = [fma / rate, fma / rate / 1e5].map(flops => [x(flops), y((flops * rate) / 1e9)] as const)
    const [[x1, y1], [x0, y0]] = ends as [readonly [number, number], readonly [number, number]]
    const angle = (Math.atan2(y1 - y0, x1 - x0) * 180) / Math.PI
    const from = Math.max(LEFT + 40, x0 + ((HEIGHT - BOTTOM - 34 - y0) / (y1 - y0)) * (x1 - x0))
    const height = y0 + ((from - x0) / (x1 - x0)) * (y1 - y0)
    const length = 6.6 * text.length
    for (let part = 0; part < length; part += 12) {
      const [px, py] = [
        from + part * Math.cos((angle * Math.PI) / 180),
        height + part * Math.sin((angle * Math.PI) / 180),
      ]
      labels.block(px, py - 6, 7)
    }
    return (
      `<path class="line roof ${colour}" d="M${at(x0)} ${at(y0)}L${at(x1)} ${at(y1)}" clip-path="url(#roof)"/>` +
      `<text transform="translate(${at(from)} ${at(height)}) rotate(${at(angle)})" dy="-6" class="label slope ${colour.slice(0, 2)}">${text}</text>`
    )
  })
  return [roof, ...lines].join('')
}

const gigabytes = (rate: number): string => `${(rate / 1e9).toFixed(rate < 1e10 ? 1 : 0)} GB/s`

/** Of each pass of each op the case that takes longest: it gets a name. */
function representatives(places: readonly Place[]): Place[] {
  const longest = new Map<string, Place>()
  for (const place of places) {
    const key = `${place.m.op} ${place.m.pass === 'backward' ? 'backward' : ''}`
    if ((longest.get(key)?.m.median ?? 0) < place.m.median) longest.set(key, place)
  }
  const forward = [...longest.values()].filter(({ m }) => m.pass !== 'backward')
  const heavy = [...longest.values()].filter(({ m }) => m.pass === 'backward' && m.median > 1)
  return [...forward, ...heavy].toSorted((a, b) => b.m.median - a.m.median)
}

/** A circle for forward, a diamond for backward, a square for an update; what is behind it is its title. */
function mark({ m, x, y }: Place, named: boolean): string {
  const { colour } = BOUNDS[m.bound]
  const size = named ? 5.2 : 3.6
  const shapes = {
    forward: `<circle cx="${at(x)}" cy="${at(y)}" r="${size}"/>`,
    backward: `<path d="M${at(x - size * 1.25)} ${at(y)}L${at(x)} ${at(y - size * 1.25)}L${at(x + size * 1.25)} ${at(y)}L${at(x)} ${at(y + size * 1.25)}Z"/>`,
    update: `<rect x="${at(x - size)}" y="${at(y - size)}" width="${at(2 * size)}" height="${at(2 * size)}" rx="1"/>`,
  }
  const rate = m.bound === 'fma' ? `${m.gflops.toFixed(0)} GFLOP/s` : `${m.gbs.toFixed(1)} GB/s`
  const title = `${m.op} ${m.pass}, ${m.shape}: ${time(m.median)}, ${rate}, ${Math.round(100 * m.share)} % of its limit (${BOUNDS[m.bound].text})`
  return `<g class="mark ${colour}${named ? ' named' : ''}"><title>${escaped(title)}</title>${shapes[m.pass]}</g>`
}

/** The op's name beside its mark, with a stroke where it must stand off; nothing where no room is left. */
function label({ m, x, y }: Place, labels: Labels): string {
  const text = m.pass === 'backward' ? `${m.op} backward` : m.op
  const box: Box | undefined = labels.place(x, y, 6.7 * text.length, 13)
  if (!box) return ''
  const { colour } = BOUNDS[m.bound]
  return `<text x="${at(box.left)}" y="${at(box.bottom - 3)}" class="label small ${colour}">${escaped(text)}</text>`
}
