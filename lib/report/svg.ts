/** Text made safe for HTML and SVG, also inside attributes. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, character => `&#${character.codePointAt(0)};`)

/** A coordinate: two decimals at most, so that pages stay small. */
export const at = (value: number): string => String(Math.round(value * 100) / 100)

/** Colours there are; lines beyond are dashed. */
export const COLOURS = 7

/** Classes of the line or mark of the `index`-th model. */
export const colour = (index: number): string =>
  `c${index % COLOURS}${index >= COLOURS ? ` d${Math.min(2, Math.floor(index / COLOURS))}` : ''}`

/** About how wide a label is, in the units of a figure. */
export const textWidth = (text: string): number => 7.4 * text.length
