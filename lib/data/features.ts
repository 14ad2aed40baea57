/** What models make of single columns of a file: options that all text files take, as a schema has them. */
import { DlrmError } from '../errors.js'
import type { Pooling } from '../graph/builder.js'
import { show, wholeNumber } from './options.js'
import { boundaries, cumulative, sortedFeatures, steps } from './quantiles.js'
import type { CategoricalColumn, DenseColumn, DenseTransform, Schema, SchemaJson } from './schema.js'
import type { DataSource } from './source.js'

/** By name of the column. */
export interface FeatureOptions {
  /** How the vectors of several values in one cell become one: see `pooling` of a schema's column. */
  pooling?: { readonly [column: string]: Pooling }
  /** `{ b: 'a' }`: the column b has the values of a, one vocabulary counted over both, and one table in models. */
  sharing?: { readonly [column: string]: string }
  /**
   * Dense columns that are cut into buckets: their boundaries (see `buckets` of a schema's column), or a number of buckets n of about
   * as many examples each, as `quantiles` finds them in the training split's first 100,000 rows.
   */
  buckets?: { readonly [column: string]: number | readonly number[] }
}

/** The draft with these options; boundaries to be found are still missing. Errors: `ERR_ARGUMENT` for a column that is not there. */
export function withFeatures(draft: SchemaJson, options: FeatureOptions): SchemaJson {
  const { pooling = {}, sharing = {}, buckets = {} } = options
  const known = (what: string, keys: object, columns: readonly { name: string }[]): void => {
    for (const name of Object.keys(keys)) {
      if (columns.some(column => column.name === name)) continue
      const names = columns.map(column => column.name).join(', ') || 'none'
      throw new DlrmError('ERR_ARGUMENT', `${what}: ${show(name)} is none of the columns ${names}`)
    }
  }
  known('pooling', pooling, draft.categorical)
  known('sharing', sharing, draft.categorical)
  known('buckets', buckets, draft.dense)
  const of = <T>(values: { readonly [column: string]: T }, name: string): T | undefined =>
    Object.hasOwn(values, name) ? values[name] : undefined
  const categorical = draft.categorical.map((column): CategoricalColumn => {
    const [how, other] = [of(pooling, column.name), of(sharing, column.name)]
    return {
      ...column,
      ...(how === undefined ? {} : { pooling: how }),
      ...(other === undefined ? {} : { sharing: other }),
    }
  })
  const dense = draft.dense.map(column => {
    const cut = of(buckets, column.name)
    if (typeof cut === 'number') wholeNumber(`buckets of ${show(column.name)}`, cut, 2)
    return cut === undefined || typeof cut === 'number' ? column : { ...column, buckets: cut }
  })
  return { ...draft, dense, categorical }
}

/** A draft's column whose quantiles are still to be found. */
const isOpen = ({ transform, boundaries }: DenseColumn): boolean => transform === 'quantile' && boundaries === undefined

/** The draft to read a file with before quantiles are found: columns without theirs are plain numbers. */
export function withoutQuantiles(draft: SchemaJson): SchemaJson {
  const dense = draft.dense.map(column => (isOpen(column) ? { ...column, transform: 'identity' as const } : column))
  return { ...draft, dense }
}

/**
 * The schema, which is `withoutQuantiles(draft)` with vocabularies, with what the source's first 100,000 rows tell: the quantiles that
 * the draft lacks, then boundaries for the numbers of buckets among the options, of the transformed values as every bucket is.
 * `source` reads by `schema`. Errors: those of the source, `ERR_DATA` without examples.
 */
export async function findBoundaries(
  schema: SchemaJson,
  draft: SchemaJson,
  { buckets = {} }: FeatureOptions,
  source: DataSource,
): Promise<SchemaJson> {
  const open = draft.dense.map(isOpen)
  if (!open.includes(true) && !Object.values(buckets).some(cut => typeof cut === 'number')) return schema
  const sorted = await sortedFeatures(source)
  const dense = schema.dense.map((column, d): DenseColumn => {
    let values = sorted[d]!
    const found = open[d] ? steps(values) : undefined
    if (found) values = values.map(cumulative(found))
    const cut = buckets[column.name]
    return {
      ...column,
      ...(found ? { transform: 'quantile', boundaries: found } : {}),
      ...(typeof cut === 'number' ? { buckets: boundaries(values, cut) } : {}),
    }
  })
  return { ...schema, dense }
}

/** Errors: `ERR_ARGUMENT` for quantiles to be found beside a schema, which has them. */
export function refuseQuantiles(schema: Schema | undefined, transforms: readonly (DenseTransform | undefined)[]): void {
  if (schema && transforms.includes('quantile')) {
    throw new DlrmError('ERR_ARGUMENT', 'transform quantile: not with a schema, which has its own')
  }
}

/** Errors: `ERR_ARGUMENT` for options beside a schema, which says all this. */
export function refuseFeatures(schema: Schema | undefined, options: FeatureOptions): void {
  const given = (['pooling', 'sharing', 'buckets'] as const).find(name => options[name] !== undefined)
  if (schema && given) throw new DlrmError('ERR_ARGUMENT', `${given}: not with a schema, which has its own`)
}
