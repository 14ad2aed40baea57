import type { Entrant, Row, Spread } from './comparison.js'
import { colour, escaped } from './svg.js'

/** The figures of each model, the best of each kind marked; a bar shows the speed. */
export function resultsTable(entrants: readonly Entrant[], rows: readonly Row[], split: string): string {
  const isAuc = rows.some(row => row.auc !== null) || rows.every(row => row.rmse === null)
  const quality: { title: string; of: (row: Row) => Spread | null; better: (a: number, b: number) => number }[] = isAuc
    ? [
        { title: `${split} AUC`, of: row => row.auc, better: Math.max },
        { title: 'logloss', of: row => row.logloss, better: Math.min },
      ]
    : [{ title: `${split} RMSE`, of: row => row.rmse, better: Math.min }]
  const bests = quality.map(({ of, better }) => {
    const means = rows.flatMap(row => of(row)?.mean ?? [])
    return means.length > 1 ? means.reduce((a, b) => better(a, b)) : undefined
  })
  const fastest = Math.max(...rows.map(row => row.samplesPerSecond ?? 0))
  const targets = entrants.some(({ target }) => target !== undefined)
  const heads = [
    'model',
    ...quality.map(({ title }) => title),
    ...(targets ? ['at least'] : []),
    'seeds',
    'parameters',
    'seconds',
    'samples/s',
  ]
  const lines = rows.map((row, i) => {
    const { error, target } = entrants[i]!
    if (error !== undefined && row.seeds === 0) {
      return `<tr>${nameCell(row, i)}<td class="failed" colspan="${heads.length - 1}">failed: ${escaped(error)}</td></tr>`
    }
    const cells = [
      nameCell(row, i),
      ...quality.map(({ of }, q) => spreadCell(of(row), bests[q])),
      ...(targets ? [cell(target === undefined ? '' : String(target))] : []),
      cell(error === undefined ? String(row.seeds) : `${row.seeds}, then failed: ${escaped(error)}`),
      cell(row.parameters.toLocaleString('en-US')),
      cell(row.seconds?.toFixed(row.seconds < 10 ? 2 : 1) ?? ''),
      speedCell(row.samplesPerSecond, fastest),
    ]
    return `<tr>${cells.join('')}</tr>`
  })
  return `<table><thead><tr>${heads.map(head => `<th>${escaped(head)}</th>`).join('')}</tr></thead><tbody>
${lines.join('\n')}
</tbody></table>`
}

const cell = (html: string, kind = ''): string => `<td${kind ? ` class="${kind}"` : ''}>${html}</td>`

function nameCell({ name, model }: Row, index: number): string {
  const kind = model === name ? '' : ` <small>${escaped(model)}</small>`
  return cell(`<span class="key ${colour(index)}"></span>${escaped(name)}${kind}`)
}

function spreadCell(spread: Spread | null, best: number | undefined): string {
  if (!spread) return cell('')
  const { mean, deviation } = spread
  const around = deviation === null ? '' : ` <small>± ${deviation.toFixed(5)}</small>`
  return cell(`${mean.toFixed(5)}${around}`, mean === best ? 'best' : '')
}

function speedCell(speed: number | null, fastest: number): string {
  if (speed === null) return cell('')
  const share = ((100 * speed) / fastest).toFixed(1)
  return cell(`${Math.round(speed).toLocaleString('en-US')}<span class="bar"><i style="width:${share}%"></i></span>`)
}
