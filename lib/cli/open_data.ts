import type { Schema } from '../data/schema.js'
import type { DataSet } from '../data/source.js'
import { defined } from './defined.js'
import { modelConfig, type TrainSettings } from './settings.js'
import { UsageError } from './usage.js'

/** The data of a training run, and what its steps are called in an epoch. */
export interface RunData extends DataSet {
  /** AUC of the planted teacher on the test split, where there is one. */
  ceiling?: () => number
}

/** Opens what the flags ask for. With a loaded model its tables and schema hold. Errors: UsageError, and those of the sources. */
export async function openData(
  settings: TrainSettings,
  loaded?: { inputs: { dense: number; rows: readonly number[] }; schema?: Schema },
): Promise<RunData> {
  switch (settings.mode) {
    case 'kaggle':
    case 'csv':
      return openFiles(settings, loaded?.schema)
    case 'synthetic':
      return openZipf(settings, loaded?.inputs)
    default:
      return openDrawn(settings, loaded?.inputs)
  }
}

async function openFiles(s: TrainSettings, schema: Schema | undefined): Promise<RunData> {
  const { rawDataFile, validFraction, onBadLine, hashSize, minCount, transform, validDataFile, testDataFile } = s
  const features = { pooling: s.poolingOf, sharing: s.share, buckets: s.buckets }
  const common = defined({ validFraction, onBadLine, schema, transform, ...features })
  if (s.mode === 'kaggle') {
    const { openCriteo } = await import('../data/criteo.js')
    return openCriteo(rawDataFile!, {
      ...common,
      ...defined({ hashSize, minCount, validFile: validDataFile, testFile: testDataFile }),
    })
  }
  const { openCsv } = await import('../data/csv.js')
  const { denseColumns: dense, categoricalColumns: categorical, delimiter, separator, encode } = s
  return openCsv(rawDataFile!, {
    ...common,
    ...defined({ dense, categorical, delimiter, separator, minCount, size: hashSize }),
    ...defined({ valid: validDataFile, test: testDataFile, encode: encode ?? (hashSize ? 'hash' : undefined) }),
    label: s.label ?? schema?.label ?? 'label',
    ...defined({ weight: s.weightColumn }),
  })
}

/** Sizes of made data: those of a loaded model, else those of the flags. */
function sizes(s: TrainSettings, inputs: { dense: number; rows: readonly number[] } | undefined, otherwise: number[]) {
  if (inputs) return { dense: inputs.dense, tables: [...inputs.rows] }
  const dense = s.archMlpBot?.[0] ?? (s.mode === 'synthetic' ? 13 : 4)
  const tables = s.archEmbeddingSize ?? otherwise
  if ((s.model ?? 'dlrm') === 'dlrm') modelConfig(s, { dense, tables }) // flags that do not fit are told before any data is made
  return { dense, tables }
}

async function openZipf(s: TrainSettings, inputs?: { dense: number; rows: readonly number[] }): Promise<RunData> {
  const { zipfData } = await import('../data/synthetic.js')
  const rows = s.numBatches ? s.numBatches * s.miniBatchSize : (s.dataSize ?? 100_000)
  const data = zipfData({
    ...sizes(s, inputs, [1000, 200, 50]),
    ...defined({ exponent: s.zipf, indicesPerLookup: s.numIndicesPerLookup }),
    rows,
    seed: s.seed,
  })
  return { ...data, ceiling: () => data.ceiling('test') }
}

async function openDrawn(s: TrainSettings, inputs?: { dense: number; rows: readonly number[] }): Promise<RunData> {
  const lookups = {
    ...sizes(s, inputs, [4, 3, 2]),
    ...defined({
      numIndicesPerLookup: s.numIndicesPerLookup,
      numIndicesPerLookupFixed: s.numIndicesPerLookupFixed,
      dataSize: s.dataSize,
      numBatches: s.numBatches,
      roundTargets: s.roundTargets,
    }),
    seed: s.seed,
  }
  if (s.mode === 'trace') return openTrace(s, lookups)
  const { randomData } = await import('../data/random.js')
  const [min, max] = [s.randDataMin ?? 0, s.randDataMax ?? 1]
  const gaussian = s.randDataDist === 'gaussian'
  if (!gaussian && [s.randDataMin, s.randDataMax, s.randDataMu, s.randDataSigma].some(x => x !== undefined)) {
    throw new UsageError('--rand-data-min, -max, -mu, -sigma: only with --rand-data-dist=gaussian')
  }
  const mu = s.randDataMu === -1 ? undefined : s.randDataMu
  return randomData({
    ...lookups,
    ...(gaussian ? { distribution: 'gaussian', min, max, ...defined({ mu, sigma: s.randDataSigma }) } : {}),
  })
}

/** The reference replaces each "j" of the file's name; a name without one is the same profile for all tables. */
async function openTrace(
  s: TrainSettings,
  lookups: { dense: number; tables: number[]; seed: number },
): Promise<RunData> {
  const { readProfile, traceData } = await import('../data/trace.js')
  const file = s.dataTraceFile!
  const name = (table: number): string => file.replace(/j(?=[^/j]*$)/, String(table))
  const profile = name(0) === file ? readProfile(file) : lookups.tables.map((_, table) => readProfile(name(table)))
  return traceData({ ...lookups, profile, padding: s.dataTraceEnablePadding ?? false })
}
