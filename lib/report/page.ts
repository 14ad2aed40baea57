import { type Comparison, type Entrant, type Row, summarise } from './comparison.js'
import { curves } from './curves.js'
import { dotChart } from './dot_chart.js'
import { resultsTable } from './results_table.js'
import { STYLE } from './style.js'
import { escaped } from './svg.js'

/** How the figures came about. */
export interface ReportFacts {
  command: string
  /** Name and value of further facts, such as the machine. */
  details: readonly (readonly [string, string])[]
}

/** One self-contained page, without scripts: table, test results by seed, curves, and how to repeat it. */
export function reportPage(comparison: Comparison, facts: ReportFacts): string {
  const { entrants, split } = comparison
  const rows = entrants.map(summarise)
  const done = entrants.filter(entrant => entrant.runs.length > 0)
  const title = `${entrants.length} model${entrants.length === 1 ? '' : 's'} compared`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(`${title}: ${entrants.map(entrant => entrant.name).join(', ')}`)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<p>${escaped(lead(rows, split))}${comparison.stopped ? ' Stopped early: the runs that were finished.' : ''}</p>
<h2>Results</h2>
<div class="scroll">${resultsTable(entrants, rows, split)}</div>
${done.length > 0 ? charts(entrants, split) : ''}
<h2>How to repeat it</h2>
<pre>${escaped(facts.command)}</pre>
<dl>${facts.details.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('')}</dl>
<details><summary>Each model alone, first seed</summary>
${entrants.map(({ command }) => `<pre>${escaped(command)}</pre>`).join('\n')}
</details>
</body>
</html>
`
}

/** The result in a sentence. */
function lead(rows: readonly Row[], split: string): string {
  const judged = rows.filter(row => row.auc !== null)
  const best = judged.toSorted((a, b) => b.auc!.mean - a.auc!.mean)[0]
  const seeds = Math.max(...rows.map(row => row.seeds))
  const runs = seeds > 1 ? `, mean of ${seeds} seeds; ± is the standard deviation over them` : ''
  if (!best) return `Judged on ${split}${runs}.`
  return `Best on ${split}: ${best.name}, AUC ${best.auc!.mean.toFixed(4)}${runs}.`
}

function charts(entrants: readonly Entrant[], split: string): string {
  const done = entrants.filter(({ runs }) => runs.length > 0)
  const isAuc = done.some(({ runs }) => runs.every(run => run.metrics.auc !== null))
  const rows = entrants.flatMap((entrant, index) => {
    const values = entrant.runs.flatMap(({ metrics }) => (isAuc ? (metrics.auc ?? []) : Math.sqrt(metrics.mse)))
    const { auc, rmse } = summarise(entrant)
    return values.length > 0 ? [{ entrant, index, values, spread: isAuc ? auc : rmse }] : []
  })
  const name = `${split} ${isAuc ? 'AUC' : 'RMSE'}`
  const seeds = Math.max(...done.map(({ runs }) => runs.length))
  const how = [
    seeds > 1 ? 'each point is a seed, the stroke their mean' : '',
    done.some(({ target }) => target !== undefined) ? 'the dashed stroke is what it should reach' : '',
  ].filter(Boolean)
  return `<h2>${seeds > 1 ? 'Quality by seed' : 'Quality'}</h2>
<figure class="wide"><figcaption><b>${escaped(name)}</b> <span>${how.join('; ')}</span></figcaption>
${dotChart(name, rows, isAuc ? 'auc' : 'error')}
</figure>
<h2>Curves</h2>
<p>${seeds > 1 ? 'The strong line is the seed in the middle, thin lines are the others. ' : ''}Point at a line or its name to see it alone.</p>
<div class="charts">
${curves(entrants, isAuc).join('\n')}
</div>`
}
