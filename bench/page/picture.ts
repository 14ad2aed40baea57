/** The picture for a README: ratios and roofline in one SVG that stands alone. */
import { FIGURE_STYLE } from '../../lib/report/style.js'
import { escaped } from '../../lib/report/svg.js'
import { BENCH_FIGURE_STYLE } from './bench_style.js'
import { compared, ratioChart } from './ratio_chart.js'
import type { BenchResults } from './results.js'
import { roofline } from './roofline.js'
import { essential, shareChart } from './share_chart.js'

const MARGIN = 24
const HEAD = 54

interface Part {
  title: string
  note: string
  chart: { width: number; height: number; body: string }
}

/** What there is of ratios beside rivals, shares of the limit and the roofline; each part below the other. */
export function picture({ rivals, kernels }: BenchResults): string {
  const parts: Part[] = []
  if (rivals && compared(rivals.results).length > 0) {
    parts.push({ title: 'Times as fast as others', note: origin(rivals), chart: ratioChart(rivals.results) })
  }
  if (kernels && parts.length === 0) {
    parts.push({ title: 'Share of the limit', note: origin(kernels), chart: shareChart(essential(kernels.ops)) })
  }
  if (kernels)
    parts.push({ title: 'Roofline of all ops', note: origin(kernels), chart: roofline(kernels.ops, kernels.limits) })
  const width = Math.max(...parts.map(({ chart }) => chart.width)) + 2 * MARGIN
  let top = 0
  const bodies = parts.map(({ title, note, chart }) => {
    const y = top + HEAD
    top = y + chart.height + 8
    return (
      `<text x="${MARGIN}" y="${y - 24}" class="value" style="font-size:19px;font-weight:650">${escaped(title)}</text>` +
      `<text x="${MARGIN}" y="${y - 6}" class="small">${escaped(note)}</text>\n` +
      `<svg x="${MARGIN}" y="${y}" width="${chart.width}" height="${chart.height}" viewBox="0 0 ${chart.width} ${chart.height}" overflow="visible">\n${chart.body}\n</svg>`
    )
  })
  const height = top + MARGIN / 2
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Speed of dlrm">
<style>${FIGURE_STYLE}${BENCH_FIGURE_STYLE}</style>
<rect width="100%" height="100%" rx="12" style="fill:var(--paper)"/>
${bodies.join('\n')}
</svg>
`
}

const origin = ({ machine, command }: { machine: string; command: string }): string => `${machine}; ${command}`
