/** From values to places on an axis, with its ticks. */
export interface Scale {
  (value: number): number
  readonly ticks: readonly { readonly value: number; readonly text: string }[]
  /** What a reader must know of an axis that is not linear. */
  readonly note?: string
}

export type Range = readonly [low: number, high: number]

/** Most ticks of an axis. */
const MOST = 8

const steps = (low: number, high: number): number => {
  const raw = (high - low) / 6
  const power = 10 ** Math.floor(Math.log10(raw))
  return [1, 2, 2.5, 5, 10].map(factor => factor * power).find(step => step >= raw * 0.999)!
}

/** A range with some width, also where all values are the same. */
const wide = ([low, high]: Range): Range => {
  const width = Math.max(Math.abs(low), Math.abs(high)) * 1e-3 || 1
  return high > low ? [low, high] : [low - width, high + width]
}

function scale(
  place: (value: number) => number,
  values: number[],
  text: (value: number) => string,
  note?: string,
): Scale {
  const ticks = values.map(value => ({ value, text: text(value) }))
  return Object.assign((value: number) => place(value), { ticks, ...(note ? { note } : {}) })
}

function linearTicks([low, high]: Range): { values: number[]; text: (value: number) => string } {
  const step = steps(low, high)
  const values: number[] = []
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) values.push(i * step)
  const digits = Math.max(
    0,
    -Math.floor(Math.log10(step) + 1e-9) + (String(step).replace(/[.0]/g, '').startsWith('25') ? 1 : 0),
  )
  return { values, text: value => short(value, digits) }
}

function short(value: number, digits: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toFixed(3))} M`
  if (value >= 1e4) return `${Number((value / 1e3).toFixed(3))} k`
  return value.toFixed(digits)
}

export function linear(range: Range, [from, to]: Range): Scale {
  const [low, high] = wide(range)
  const { values, text } = linearTicks([low, high])
  return scale(value => from + ((value - low) / (high - low)) * (to - from), values, text)
}

/** Logarithmic where the range spans more than a factor of `from`, else linear. For values > 0. */
export function logarithmic(range: Range, places: Range, factor = 5): Scale {
  const [low, high] = range
  if (!(low > 0 && high / low > factor)) return linear(range, places)
  const [from, to] = places
  const place = (value: number) => from + (Math.log(value / low) / Math.log(high / low)) * (to - from)
  return scale(
    place,
    decades(low, high),
    value => short(value, value < 1 ? Math.ceil(-Math.log10(value) - 1e-9) : 0),
    'log scale',
  )
}

/** 1, 2, 5, 10 ... in the range, or fewer per decade if those are too many. */
function decades(low: number, high: number): number[] {
  for (const factors of [[1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9], [1, 2, 5], [1, 3], [1]]) {
    const values: number[] = []
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
      for (const factor of factors) values.push(Number((factor * 10 ** power).toPrecision(2)))
    }
    const inside = values.filter(value => value >= low * 0.9999 && value <= high * 1.0001)
    if (inside.length <= MOST || factors.length === 1) return inside
  }
  return []
}

/**
 * For AUC: where the range spans more than a factor of 2 in 1 - AUC, equal lengths are equal shares of what is missing to 1, so
 * that .97 and .98 are as far apart as .94 and .96; else linear.
 */
export function auc(range: Range, places: Range): Scale {
  const [low, high] = range
  if (!(high < 1 && (1 - low) / (1 - high) > 2)) return linear(range, places)
  const missing = logarithmic([1 - high, 1 - low], [places[1], places[0]], 1)
  const values = missing.ticks.map(tick => 1 - tick.value).reverse()
  const digits = Math.max(
    2,
    ...missing.ticks.map(
      ({ value }) =>
        Math.ceil(-Math.log10(value) - 1e-9) + (/^[1-9]0*$/.test(String(value).replace(/^0\.0*/, '')) ? 0 : 1),
    ),
  )
  return scale(
    value => missing(1 - value),
    values,
    value => value.toFixed(digits),
    'logarithmic in 1 - AUC',
  )
}

/** The same scale with other words at its ticks, or other ticks. */
export function withTicks(
  base: Scale,
  text: (value: number) => string,
  values = base.ticks.map(tick => tick.value),
): Scale {
  const ticks = values.map(value => ({ value, text: text(value) }))
  return Object.assign((value: number) => base(value), { ticks, ...(base.note ? { note: base.note } : {}) })
}
