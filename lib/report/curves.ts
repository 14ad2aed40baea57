import type { ComparedRun, Entrant, Moment } from './comparison.js'
import { type Line, lineChart } from './line_chart.js'
import { auc, linear, logarithmic, type Range, type Scale } from './scale.js'

type Point = readonly [x: number, y: number]
type Measure = 'auc' | 'logloss' | 'rmse' | 'loss'

/** Points of a training line at most: means of neighbours, so that the trend is seen. */
const POINTS = 60

/** The figures of how training went. */
export function curves(entrants: readonly Entrant[], isAuc: boolean): string[] {
  const figure = (title: string, measure: Measure, axis: 'steps' | 'seconds', y: string): string[] => {
    const lines = linesOf(entrants, isAuc, run => series(run, measure, axis))
    if (lines.every(line => line.points.length === 0)) return []
    const scales = { xScale: xScale(lines), yScale: yScale(lines, measure) }
    return [lineChart({ title, x: axis === 'steps' ? 'steps' : 'seconds of training', y, lines, ...scales })]
  }
  const [quality, name]: [Measure, string] = isAuc ? ['auc', 'AUC'] : ['rmse', 'RMSE']
  return [
    ...figure(`Validation ${name} by step`, quality, 'steps', name),
    ...figure(`Validation ${name} by seconds`, quality, 'seconds', name),
    ...(isAuc ? figure('Validation logloss by step', 'logloss', 'steps', 'logloss') : []),
    ...figure('Training loss by step', 'loss', 'steps', 'loss'),
  ]
}

function series(run: ComparedRun, measure: Measure, axis: 'steps' | 'seconds'): Point[] {
  const x = (moment: Moment) => (axis === 'steps' ? moment.step : moment.seconds)
  if (measure === 'loss') return thinned(run.training.map(moment => [x(moment), moment.loss]))
  return run.validation.flatMap((moment): Point[] => {
    const { metrics } = moment
    const y = measure === 'rmse' ? Math.sqrt(metrics.mse) : metrics[measure]
    return y === null ? [] : [[x(moment), y]]
  })
}

/** Means of neighbours. */
function thinned(points: Point[]): Point[] {
  const size = Math.ceil(points.length / POINTS)
  const mean = (part: Point[], i: 0 | 1) => part.reduce((sum, point) => sum + point[i], 0) / part.length
  return Array.from({ length: Math.ceil(points.length / size) || 0 }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size)
    return [mean(part, 0), mean(part, 1)]
  })
}

/** A line for each run; that of the seed with the middle result stands for the model. */
function linesOf(entrants: readonly Entrant[], isAuc: boolean, points: (run: ComparedRun) => Point[]): Line[] {
  const result = ({ metrics }: ComparedRun) => (isAuc ? (metrics.auc ?? 0) : -metrics.mse)
  return entrants.flatMap(({ name, runs }, index) => {
    const middle = runs.toSorted((a, b) => result(a) - result(b))[Math.floor(runs.length / 2)]
    return runs.map(run => ({ name, index, points: points(run), ...(run === middle ? {} : { faint: true }) }))
  })
}

/** From 0, or logarithmic where some lines would else be squeezed to the edge. */
function xScale(lines: readonly Line[]): (places: Range) => Scale {
  const ends = lines.flatMap(line => line.points.at(-1)?.[0] ?? [])
  const starts = lines.flatMap(line => line.points[0]?.[0] ?? []).filter(x => x > 0)
  const [shortest, longest] = [Math.min(...ends), Math.max(...ends)]
  const low = Math.min(...starts)
  return longest > 6 * shortest && low < longest
    ? places => logarithmic([low, longest], places)
    : places => linear([0, longest], places)
}

/** Where the results are, with some of the way to them: not the first steps, which would squeeze everything else. */
function yScale(lines: readonly Line[], measure: Measure): (places: Range) => Scale {
  const all = lines.flatMap(line => line.points.map(point => point[1]))
  const [least, most] = [Math.min(...all), Math.max(...all)]
  const drawn = lines.filter(line => line.points.length > 0)
  if (measure === 'auc') {
    const bests = drawn.map(line => Math.max(...line.points.map(point => point[1])))
    const low = Math.max(least, 1 - 1.7 * (1 - Math.min(...bests)))
    return places => auc([low, most + 0.03 * (1 - most)], places)
  }
  const bests = drawn.map(line => Math.min(...line.points.map(point => point[1])))
  const high = Math.min(most, Math.max(...bests) * 1.6)
  return places => logarithmic([least * 0.98, high], places)
}
