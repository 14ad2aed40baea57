/** Of the figures of the benchmark, beside the style of lib/report. */
export const BENCH_FIGURE_STYLE = `
.bar { fill: currentColor; opacity: .82 }
svg .strong { font-weight: 650 } svg .soft { fill: var(--soft) } svg .small { font-size: 11px } svg .ghost { opacity: 0 }
svg .label.small { font-weight: 500; font-size: 11.5px }
.roof { stroke-width: 1.8; opacity: .9 } .slope { font-weight: 500; font-size: 11.5px }
.mark { fill: currentColor; opacity: .42 } .mark.named { opacity: .95 } .mark:hover { opacity: 1; stroke: var(--ink); stroke-width: 1.5 }
.series:hover .bar { opacity: 1 }
`

/** Of the page of the benchmark. */
export const BENCH_STYLE = `${BENCH_FIGURE_STYLE}
header p { font-size: 14px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 22px 0 0 }
.tiles div { background: var(--panel); border-radius: 10px; padding: 14px 16px; color: var(--soft); font-size: 13px; line-height: 1.4 }
.tiles b { display: block; font-size: 32px; line-height: 1.15; letter-spacing: -.02em; color: var(--ink); font-weight: 650; margin-bottom: 3px }
.swatch { display: inline-block; width: 11px; height: 11px; border-radius: 2px; background: currentColor; opacity: .82; margin: 0 5px 0 8px; vertical-align: -1px }
.swatch.c0 { color: var(--c0) }
figure { margin-top: 14px } figcaption span.swatch { margin-left: 8px; opacity: .82 } figcaption span.swatch.c0 { color: var(--c0) }
figcaption span.c1 { color: var(--c1) } figcaption span.c2 { color: var(--c2) } figcaption span.c3 { color: var(--c3) }
.least { min-width: 900px }
.fine { font-size: 12.5px; margin-top: 8px } .warning { color: var(--c1); font-weight: 600 }
details { margin-top: 22px } td.text { text-align: left; white-space: nowrap } th:nth-child(-n+3) { text-align: left }
`
