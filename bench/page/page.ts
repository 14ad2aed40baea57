/** The page of the benchmark: figures first, what they mean in a sentence, then every number. */
import { STYLE } from '../../lib/report/style.js'
import { escaped } from '../../lib/report/svg.js'
import type { Measurement } from '../measure.js'
import { time } from '../report.js'
import type { RivalResult } from '../rivals/run.js'
import { describeShape, MODEL_SHAPES } from '../shapes.js'
import { BENCH_STYLE } from './bench_style.js'
import { compared, ratioChart, ratioLegend } from './ratio_chart.js'
import type { BenchResults, Origin } from './results.js'
import { BOUNDS, roofline } from './roofline.js'
import { batchChart, threadsChart } from './scaling.js'
import { essential, shareChart } from './share_chart.js'

/** One self-contained page without scripts. `command` makes it again. */
export function benchPage(results: BenchResults, command: string): string {
  const { kernels, scaling, rivals } = results
  const first = kernels ?? scaling ?? rivals
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dlrm: speed on ${escaped(results.details[0]?.[1] ?? 'this machine')}</title>
<style>${STYLE}${BENCH_STYLE}</style>
</head>
<body>
<header><h1>How fast is dlrm?</h1>
<p>${escaped(first ? `${first.machine}` : '')}</p>
${results.smoke ? '<p class="warning">A smoke run: tiny shapes, a moment each. The figures mean nothing.</p>' : ''}</header>
${tiles(results)}
${rivals && compared(rivals.results).length > 0 ? rivalsSection(rivals) : ''}
${kernels ? kernelsSection(kernels) : ''}
${scaling ? scalingSection(scaling) : ''}
${kernels ? tableSection(kernels.ops) : ''}
<h2>How it was measured</h2>
<p>Each case runs in a process of its own; after a warm-up the median counts. Limits are measured in the same run, by plain loops on the same threads.</p>
<dl>${results.details.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join('')}
${[kernels, scaling, rivals].flatMap(part => (part ? [`<dt>${part.date}</dt><dd><code>${escaped(part.command)}</code></dd>`] : [])).join('\n')}</dl>
<pre>${escaped(command)}</pre>
</body>
</html>
`
}

const svg = ({ width, height, body }: { width: number; height: number; body: string }, label: string): string =>
  `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">\n${body}\n</svg>`

const figure = (title: string, note: string, content: string): string =>
  `<figure class="wide"><figcaption><b>${escaped(title)}</b> <span>${note}</span></figcaption>\n<div class="scroll"><div class="least">${content}</div></div>\n</figure>`

/** The figures that one remembers. */
function tiles({ kernels, scaling, rivals }: BenchResults): string {
  const step = rivals?.results.find(row => row.case === 'step' && row.rivals.length > 0)
  const one = rivals?.results.find(row => row.case === 'predict' && row.batch === 1 && row.rivals.length > 0)
  // Of the largest fp32 case, whose shape begins with the batch.
  const share = (op: string) =>
    kernels?.ops
      .filter(m => m.op === op && m.pass === 'forward' && m.shape.startsWith('B '))
      .toSorted((a, b) => b.flops - a.flops)[0]?.share
  const product = share('mlp')
  const gather = share('embedding_bag')
  const one4 = scaling?.threads.filter(timing => timing.case === 'step').toSorted((a, b) => a.threads - b.threads)
  const last = one4?.at(-1)
  const all: [figure: string, text: string][] = [
    ...against(step, 'training step'),
    ...against(one, 'prediction of one example'),
    ...(product
      ? [[`${Math.round(100 * product)} %`, 'of the peak of multiply-adds in an MLP'] as [string, string]]
      : []),
    ...(gather
      ? [
          [`${Math.round(100 * gather)} %`, 'of the random rows that memory can deliver in embedding_bag'] as [
            string,
            string,
          ],
        ]
      : []),
    ...(one4 && last
      ? [
          [
            `${(one4[0]!.median / last.median).toFixed(1)}x`,
            `a training step on ${last.threads} threads against one`,
          ] as [string, string],
        ]
      : []),
    ...(scaling
      ? [[`${scaling.busy.ratio.toFixed(1)}x`, `slower beside ${scaling.busy.loops} busy loops`] as [string, string]]
      : []),
  ]
  return `<div class="tiles">${all.map(([number, text]) => `<div><b>${number}</b>${escaped(text)}</div>`).join('')}</div>`
}

function against(row: RivalResult | undefined, what: string): [string, string][] {
  if (!row?.ratio) return []
  const best = row.rivals.reduce((a, b) => (b.median < a.median ? b : a))
  const text = `as fast as ${best.name}: ${what}${row.batch > 1 ? ` of ${row.batch}` : ''}, ${time(row.ours.median)}`
  return [[`${row.ratio.toFixed(1)}x`, text]]
}

function rivalsSection({ results }: Origin & { results: RivalResult[] }): string {
  const rounds = results[0]!.rounds
  return `<h2>Beside others</h2>
<p>The same work on the same ${results[0]!.threads} threads, in turns, medians of ${rounds} round${rounds > 1 ? 's' : ''}. Of each rival the fastest way counts:
PyTorch eager or compiled, ONNX Runtime with one Gather per table or one for all. In bf16 rows a rival may use fp32.</p>
${figure('Times as fast', `log scale ${ratioLegend(results)}`, svg(ratioChart(results), 'Times as fast as rivals'))}
<p class="fine">Criteo Kaggle: ${escaped(describeShape(MODEL_SHAPES.kaggle))}. Heavy tables: ${escaped(describeShape(MODEL_SHAPES.heavy))}.</p>`
}

function kernelsSection({ ops, limits }: NonNullable<BenchResults['kernels']>): string {
  const shown = essential(ops)
  const legend = Object.values(BOUNDS)
    .map(({ colour, text }) => `<span class="swatch ${colour}"></span>${text}`)
    .join(' ')
  return `<h2>Beside what the machine can do</h2>
<p>What bounds an op is multiply-adds, memory read in order, or rows fetched from random places. The nearer to the limit, the less is left to win.</p>
${figure('Share of the limit', `bounded by ${legend}`, svg(shareChart(shown), 'Share of the limit of each op'))}
${figure('Roofline of all ops', 'circle: forward, diamond: backward, square: update. Point at a mark for its figures. Marks above a slope work in caches.', svg(roofline(ops, limits), 'Roofline'))}`
}

function scalingSection({ threads, batches, busy }: NonNullable<BenchResults['scaling']>): string {
  return `<h2>Threads and batches</h2>
<p>The ${MODEL_SHAPES.kaggle.name} model. Beside ${busy.loops} busy loops a training step of ${busy.batch} takes ${time(busy.busy.median)}, alone ${time((busy.idle[0].median + busy.idle[1].median) / 2)}: ${busy.ratio.toFixed(2)} times as long.</p>
<div class="charts">
${threadsChart(threads)}
${batchChart(batches)}
</div>`
}

function tableSection(ops: readonly Measurement[]): string {
  const heads = ['op', 'shape', 'pass', 'median', 'spread', 'GFLOP/s', 'GB/s', 'of limit', 'limit']
  const rows = ops.map(m => {
    const limit = `${m.peak.toFixed(m.peak < 10 ? 1 : 0)} ${m.bound === 'fma' ? 'GFLOP/s' : 'GB/s'} ${m.bound}`
    const cells = [
      escaped(m.op),
      escaped(m.shape),
      m.pass,
      time(m.median),
      `${(100 * m.spread).toFixed(0)} %`,
      m.gflops.toFixed(1),
      m.gbs.toFixed(1),
      `${(100 * m.share).toFixed(0)} %`,
      limit,
    ]
    return `<tr>${cells.map((cell, i) => `<td${i < 3 ? ' class="text"' : ''}>${cell}</td>`).join('')}</tr>`
  })
  return `<details><summary>Every op: ${ops.length} rows</summary>
<div class="scroll"><table><thead><tr>${heads.map(head => `<th>${head}</th>`).join('')}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table></div></details>`
}
