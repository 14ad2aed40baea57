export type { Bags, Batch } from './data/batch.js'
export { type CriteoOptions, openCriteo } from './data/criteo.js'
export { type CsvEncoding, type CsvOptions, openCsv } from './data/csv.js'
export type { FeatureOptions } from './data/features.js'
export { RandomState, type RandomStateJson } from './data/numpy_random.js'
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
} from './data/schema.js'
export type { BatchOptions, DataSet, DataSource, Located, Position } from './data/source.js'
export type { TextOptions } from './data/text_source.js'
export { DlrmError, type ErrorCode } from './errors.js'
export {
  type Buckets,
  type Column,
  type ColumnOptions,
  GraphBuilder,
  type GraphInputs,
  type GraphNumbers,
  type Pooling,
  type Precision,
  type Value,
} from './graph/builder.js'
export * as ops from './graph/index.js'
export * as kernels from './kernels.js'
export type { MdConfig, QrConfig } from './models/compress.js'
export {
  type DefinedModel,
  defineModel,
  type GraphEnd,
  type LoadOptions,
  type ModelClass,
  type ModelDefinition,
  type ModelOptions,
} from './models/define.js'
export type { DLRMConfig, DLRMFullConfig, DLRMOptions } from './models/dlrm.js'
export * from './models/index.js'
export { loadModel, modelKinds } from './models/kinds.js'
export { type CompileOptions, Model, type ParameterGroup, type Tensor } from './models/model.js'
export type { Option, Options, Values } from './models/options.js'
export * as option from './models/options.js'
export type { PrunedParts } from './models/prune.js'
export type { Loadable } from './models/storage.js'
export type { Attr, Attrs, CudaInfo, DerivedColumn, Device, GraphSpec, Isa, TableDtype } from './native.js'
export { cuda, threads } from './native.js'
export { Adagrad, type AdagradOptions } from './optim/adagrad.js'
export { Adam, type AdamOptions } from './optim/adam.js'
export { FTRL, type FTRLOptions } from './optim/ftrl.js'
export { ParameterGroups, type ParameterGroupsJSON } from './optim/groups.js'
export { Optimizer, type OptimizerJSON, type OptimizerOptions } from './optim/optimizer.js'
export { RowWiseAdagrad, type RowWiseAdagradOptions } from './optim/rowwise_adagrad.js'
export { type Schedule, type ScheduleJSON, WarmupPolyDecay, type WarmupPolyDecayOptions } from './optim/schedule.js'
export { SGD, type SGDOptions } from './optim/sgd.js'
export { evaluate } from './train/evaluate.js'
export type { FitOptions, FitResult, Progress } from './train/fit_options.js'
export { auc, type Metrics, MetricsAccumulator, type SteeringMetric } from './train/metrics.js'
export type { PlateauOptions } from './train/plateau.js'
export type { PruningOptions } from './train/pruning.js'
