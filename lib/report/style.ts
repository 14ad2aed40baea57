/** Colours, of Okabe and Ito: told apart by every kind of eye; a little lighter on a dark page. */
const COLOURS = `
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5d6670; --paper: #fff; --panel: #f6f7f9; --grid: #e3e6ea; --best: #e8f3ec;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #b5508f; --c4: #c98500; --c5: #2f9fd8; --c6: #555b63 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #9aa4af; --paper: #14171b; --panel: #1c2026; --grid: #2e343c; --best: #1d3328;
    --c0: #4ea3e0; --c1: #f0803c; --c2: #2fc299; --c3: #dd8fc0; --c4: #e9ae3a; --c5: #7cc8f2; --c6: #b4bbc4 } }
`

/** Of a page around the figures. */
const PAGE = `
* { box-sizing: border-box }
body { margin: 0 auto; padding: 28px 24px 48px; max-width: 1360px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
h1 { margin: 0 0 4px; font-size: 26px; line-height: 1.2; letter-spacing: -.01em }
h2 { margin: 36px 0 10px; font-size: 18px }
p { margin: 0 0 6px; color: var(--soft); max-width: 100ch }
code, pre { font: 12.5px/1.55 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
pre { margin: 8px 0; padding: 10px 14px; background: var(--panel); border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { color: var(--soft); font-weight: 500; font-size: 13px; text-align: right; padding: 4px 12px; border-bottom: 1px solid var(--grid); white-space: nowrap }
td { text-align: right; padding: 5px 12px; border-bottom: 1px solid var(--grid); white-space: nowrap }
th:first-child, td:first-child { text-align: left; padding-left: 4px }
td small { color: var(--soft); font-size: 12.5px }
td.best { background: var(--best); font-weight: 600 }
td.best small { font-weight: 400 }
td.failed { text-align: left; color: var(--c1); white-space: normal }
td .bar { display: inline-block; width: 90px; height: 9px; margin-left: 10px; border-radius: 2px; background: var(--panel); overflow: hidden }
td .bar i { display: block; height: 100%; background: var(--soft); opacity: .75 }
.key { display: inline-block; width: 18px; height: 0; margin-right: 9px; vertical-align: middle; border-top: 3px solid currentColor }
.key.d1 { border-top-style: dashed } .key.d2 { border-top-style: dotted }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(560px, 100%), 1fr)); gap: 22px 28px }
figure { margin: 0; padding: 14px 14px 8px; background: var(--panel); border-radius: 10px }
figure.wide { padding-bottom: 4px }
figcaption { font-size: 14px; margin: 0 0 6px 2px } figcaption span { color: var(--soft); font-size: 12.5px; margin-left: 6px }
svg { display: block; width: 100%; height: auto; overflow: visible }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 8px 0 } dt { color: var(--soft) } dd { margin: 0 }
summary { cursor: pointer; color: var(--soft) }
@media print { .charts { grid-template-columns: 1fr 1fr } }
`

/** Of what is in the figures. */
const FIGURES = `
svg { font-size: 12px }
svg text { fill: var(--soft) } svg .mid { text-anchor: middle } svg .end { text-anchor: end }
svg .name { font-size: 12.5px } svg .value { fill: var(--ink); font-variant-numeric: tabular-nums }
svg .label { font-size: 12.5px; font-weight: 600; fill: var(--ink) }
.grid { stroke: var(--grid); stroke-width: 1; fill: none } .rule { stroke: var(--grid); stroke-width: 1; stroke-dasharray: 1 3 }
.c0 { color: var(--c0) } .c1 { color: var(--c1) } .c2 { color: var(--c2) } .c3 { color: var(--c3) } .c4 { color: var(--c4) }
.c5 { color: var(--c5) } .c6 { color: var(--c6) }
.line { stroke: currentColor; stroke-width: 2; fill: none; stroke-linejoin: round; stroke-linecap: round }
.line.d1 { stroke-dasharray: 6 4 } .line.d2 { stroke-dasharray: 1.5 4 }
.line.faint { stroke-width: 1; opacity: .35 }
.leader { stroke: currentColor; stroke-width: 1; fill: none; opacity: .45 }
.dot, .point { fill: currentColor } .point { opacity: .55 } .mean { stroke: currentColor; stroke-width: 2.5 }
.target { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 2.5 2.5; fill: none }
svg text.label.c0, svg text.label.c1, svg text.label.c2, svg text.label.c3, svg text.label.c4, svg text.label.c5,
svg text.label.c6 { fill: currentColor }
svg:has(.series:hover) .series:not(:hover), svg:has(.series:hover) .faint { opacity: .15 }
.series:hover .line { stroke-width: 3.5 }
`

/** The style sheet of a page. */
export const STYLE = `${COLOURS}${PAGE}${FIGURES}`

/** The style sheet of a figure that stands alone, as an SVG file. */
export const FIGURE_STYLE = `${COLOURS}svg { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }${FIGURES}`
