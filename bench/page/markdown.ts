/** The figures as Markdown tables, for a README. */
import { time } from '../report.js'
import { compared } from './ratio_chart.js'
import type { BenchResults, Origin } from './results.js'
import { essential } from './share_chart.js'

export function markdown({ rivals, kernels, scaling }: BenchResults): string {
  const parts: string[] = []
  if (rivals && compared(rivals.results).length > 0) {
    const rows = compared(rivals.results).map(({ name, batch, precision, ours, rivals: others, ratio }) => {
      const best = others.reduce((a, b) => (b.median < a.median ? b : a))
      const what = `${name}, B = ${batch}${precision === 'fp32' ? '' : `, ${precision}`}`
      return [
        what,
        `${time(ours.median)} (${ours.best})`,
        `${time(best.median)} (${best.name} ${best.best})`,
        `${ratio!.toFixed(1)}x`,
      ]
    })
    parts.push(`${origin(rivals)}\n\n${table(['', 'dlrm', 'best rival', ''], rows)}`)
  }
  if (kernels) {
    const rows = essential(kernels.ops).map(({ op, pass, shape, median, share, peak, bound }) => {
      const limit = `${Math.round(100 * share)} % of ${peak.toFixed(peak < 10 ? 1 : 0)} ${bound === 'fma' ? 'GFLOP/s' : 'GB/s'} ${bound}`
      return [`${op}${pass === 'update' ? '' : ` ${pass}`}, ${shape}`, time(median), limit]
    })
    parts.push(`${origin(kernels)}\n\n${table(['', 'time', 'of its limit'], rows)}`)
  }
  if (scaling) {
    const { busy, threads } = scaling
    const rows = threads.map(timing => [
      `${timing.case}, B = ${timing.batch}, ${timing.threads} threads`,
      time(timing.median),
    ])
    rows.push([
      `step, B = ${busy.batch}, beside ${busy.loops} busy loops`,
      `${time(busy.busy.median)}, ${busy.ratio.toFixed(2)}x slower`,
    ])
    parts.push(`${origin(scaling)}\n\n${table(['', 'time'], rows)}`)
  }
  return `${parts.join('\n\n')}\n`
}

const origin = ({ machine, command }: Origin): string => `${machine}; \`${command}\``

function table(heads: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  const rule = heads.map((_, i) => (i === 0 ? '---' : '---:'))
  return [heads, rule, ...rows].map(line).join('\n')
}
