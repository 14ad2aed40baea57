/**
 * `dlrm/data`: all that reads or makes data. The files' readers are in `dlrm` too; made-up data (random as the reference
 * draws it, traces, Zipf data and Criteo files with a planted teacher) is here alone, so that `import 'dlrm'` stays quick.
 *
 * @packageDocumentation
 */
export type { Bags, Batch } from './batch.js'
export { type CriteoOptions, criteoColumns, criteoRow, openCriteo } from './criteo.js'
export { type CsvEncoding, type CsvOptions, openCsv } from './csv.js'
export type { FeatureOptions } from './features.js'
export { RandomState, type RandomStateJson } from './numpy_random.js'
export { quantiles } from './quantiles.js'
export { type LookupOptions, type RandomOptions, randomData } from './random.js'
export {
  type CategoricalColumn,
  type DenseColumn,
  type DenseTransform,
  type HashColumn,
  type IdColumn,
  Schema,
  type SchemaInputs,
  type SchemaJson,
  type VocabularyColumn,
} from './schema.js'
export type { BatchOptions, DataSet, DataSource, Located, Position } from './source.js'
export { type ZipfDataSet, type ZipfOptions, zipfData } from './synthetic.js'
export { type Features, Teacher, type TeacherOptions, teacherAuc } from './teacher.js'
export type { TextOptions } from './text_source.js'
export {
  generateTrace,
  profileTrace,
  readProfile,
  type TraceOptions,
  type TraceProfile,
  traceData,
  writeProfile,
} from './trace.js'
export { type WriteCriteoOptions, type WrittenCriteo, writeCriteo } from './write_criteo.js'
