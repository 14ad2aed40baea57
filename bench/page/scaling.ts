/** How speed grows with threads and with the size of the batch. */
import { lineChart } from '../../lib/report/line_chart.js'
import { linear, logarithmic, withTicks } from '../../lib/report/scale.js'
import type { Timing } from '../train.js'

const NAMES = { step: 'training step', predict: 'predict', predictSync: 'predictSync' }
const CASES = ['step', 'predict', 'predictSync'] as const

/** Times as fast as with one thread. */
export function threadsChart(timings: readonly Timing[]): string {
  const most = Math.max(...timings.map(({ threads }) => threads))
  const counts = [...new Set(timings.map(({ threads }) => threads))].toSorted((a, b) => a - b)
  const lines = CASES.flatMap((name, index) => {
    const own = timings.filter(timing => timing.case === name).toSorted((a, b) => a.threads - b.threads)
    const one = own[0]
    if (!one) return []
    const points = own.map(({ threads, median }) => [threads, one.median / median] as const)
    return [{ name: `${NAMES[name]} ${points.at(-1)![1].toFixed(1)}x`, index, points }]
  })
  const highest = Math.max(most, ...lines.flatMap(({ points }) => points.map(([, speed]) => speed)))
  const ideal = { name: 'as many times', index: 13, points: [[1, 1] as const, [most, most] as const] }
  return lineChart({
    title: 'Speed by threads',
    note: `batches of ${timings[0]!.batch.toLocaleString('en-US')}, against one thread`,
    x: 'threads',
    y: 'times as fast',
    xScale: places => withTicks(linear([1, Math.max(2, most)], places), n => `${n}`, counts),
    yScale: places => linear([0, highest], places),
    lines: [...lines, ideal],
  })
}

/** Examples per second. */
export function batchChart(timings: readonly Timing[]): string {
  const sizes = [...new Set(timings.map(({ batch }) => batch))].toSorted((a, b) => a - b)
  const lines = CASES.map((name, index) => {
    const own = timings.filter(timing => timing.case === name).toSorted((a, b) => a.batch - b.batch)
    return {
      name: NAMES[name],
      index,
      points: own.map(({ batch, median }) => [batch, (1000 * batch) / median] as const),
    }
  }).filter(({ points }) => points.length > 0)
  const rates = lines.flatMap(({ points }) => points.map(([, rate]) => rate))
  return lineChart({
    title: 'Examples per second by size of batch',
    note: `${timings[0]!.threads} threads; predictSync uses the caller's only`,
    x: 'examples in a batch',
    y: 'examples per second',
    xScale: places => withTicks(logarithmic([sizes[0]!, sizes.at(-1)!], places), n => n.toLocaleString('en-US'), sizes),
    yScale: places => logarithmic([Math.min(...rates) * 0.9, Math.max(...rates) * 1.1], places),
    lines,
  })
}
