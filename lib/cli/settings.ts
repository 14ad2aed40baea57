import type { Precision } from '../graph/builder.js'
import type { DLRMConfig } from '../models/dlrm.js'
import type { Mode } from './flag.js'
import { dlrmFlags, trainFlags } from './train_flags.js'
import { UsageError } from './usage.js'

/** What commander hands over: a key for each flag that was given. Names as in flags.ts. */
export interface TrainFlags {
  model?: string
  archSparseFeatureSize?: number
  archEmbeddingSize?: number[]
  archMlpBot?: number[]
  archMlpTop?: number[]
  archInteractionOp?: 'dot' | 'cat'
  archInteractionItself?: boolean
  weightedPooling?: 'fixed' | 'learned'
  pooling?: 'sum' | 'mean' | 'max'
  lossFunction?: 'mse' | 'bce' | 'wbce'
  lossWeights?: [number, number]
  lossThreshold?: number
  loadModel?: string
  saveModel?: string
  data?: string
  qrFlag?: boolean
  qrThreshold?: number
  qrCollisions?: number
  qrOperation?: 'mult' | 'add' | 'concat'
  mdFlag?: boolean
  mdThreshold?: number
  mdTemperature?: number
  mdRoundDims?: boolean
  dataGeneration?: 'random' | 'synthetic' | 'dataset'
  dataSize?: number
  numBatches?: number
  miniBatchSize?: number
  testMiniBatchSize?: number
  numIndicesPerLookup?: number
  numIndicesPerLookupFixed?: boolean
  roundTargets?: boolean
  randDataDist?: 'uniform' | 'gaussian'
  randDataMin?: number
  randDataMax?: number
  randDataMu?: number
  randDataSigma?: number
  dataTraceFile?: string
  dataTraceEnablePadding?: boolean
  zipf?: number
  numpyRandSeed?: number
  seed?: number
  dataSet?: 'kaggle' | 'csv'
  rawDataFile?: string
  validDataFile?: string
  validFraction?: number
  testDataFile?: string
  maxIndRange?: number
  hashSize?: number
  minCount?: number
  onBadLine?: 'skip' | 'error'
  shuffle?: boolean
  label?: string
  weightColumn?: string
  denseColumns?: string[]
  categoricalColumns?: string[]
  transform?: 'identity' | 'log1p' | 'quantile'
  encode?: 'vocabulary' | 'hash' | 'id'
  delimiter?: string
  separator?: string
  poolingOf?: { [column: string]: 'sum' | 'mean' | 'max' }
  share?: { [column: string]: string }
  buckets?: { [column: string]: number }
  precision?: Precision
  tableDtype?: 'f32' | 'bf16' | 'f16'
  nepochs?: number
  optimizer?: 'sgd' | 'adagrad' | 'rwsadagrad' | 'adam' | 'ftrl'
  learningRate?: number
  momentum?: number
  weightDecay?: number
  tableWeightDecay?: number
  lazy?: boolean
  clipNorm?: number
  ftrlBeta?: number
  ftrlL1?: number
  ftrlL2?: number
  wideOptimizer?: 'sgd' | 'adagrad' | 'rwsadagrad' | 'adam' | 'ftrl'
  wideLearningRate?: number
  lrPlateauFactor?: number
  lrPlateauPatience?: number
  lrPlateauMin?: number
  lrNumWarmupSteps?: number
  lrDecayStartStep?: number
  lrNumDecaySteps?: number
  prune?: number | [part: string, share: number][]
  pruneWarmupEpochs?: number
  pruneEvery?: number
  pruneSpan?: number
  testFreq?: number
  earlyStopping?: number
  metric?: 'auc' | 'logloss' | 'rmse'
  inferenceOnly?: boolean
  checkpointDir?: string
  checkpointEvery?: number
  resume?: boolean
  useGpu?: boolean
  threads?: number
  printFreq?: number
  printTime?: boolean
  json?: boolean
  progress?: boolean
}

/** The flags with the defaults that depend on the data, checked against each other. */
export type TrainSettings = TrainFlags &
  Required<
    Pick<TrainFlags, 'miniBatchSize' | 'testMiniBatchSize' | 'nepochs' | 'optimizer' | 'learningRate' | 'printFreq'>
  > & {
    mode: Mode
    seed: number
    /** Table rows of hashed categories; undefined: vocabularies. */
    hashSize: number | undefined
    /** Validate each so many steps; 0: only as the mode does by itself. */
    testFreq: number
  }

/** Errors: UsageError for flags that contradict each other or lack one another. */
export function trainSettings(flags: TrainFlags): TrainSettings {
  const mode = modeOf(flags)
  checkMode(flags, mode)
  checkModel(flags)
  checkPairs(flags)
  const clicks = hasClicks(mode)
  const optimizer = flags.optimizer ?? 'sgd'
  const miniBatchSize = flags.miniBatchSize ?? (clicks ? 128 : 1)
  const test = flags.testMiniBatchSize ?? (clicks ? 2048 : -1)
  return {
    ...flags,
    mode,
    optimizer,
    miniBatchSize,
    testMiniBatchSize: test > 0 ? test : miniBatchSize,
    seed: flags.seed ?? flags.numpyRandSeed ?? 123,
    hashSize:
      flags.hashSize ?? (flags.maxIndRange !== undefined && flags.maxIndRange > 0 ? flags.maxIndRange : undefined),
    testFreq: Math.max(0, flags.testFreq ?? 0),
    nepochs: flags.nepochs ?? 1,
    learningRate: flags.learningRate ?? learningRate(optimizer, clicks),
    printFreq: flags.printFreq ?? (clicks ? 100 : 1),
  }
}

/** The default learning rate of a rule. */
export function learningRate(rule: TrainSettings['optimizer'], clicks: boolean): number {
  return clicks ? { sgd: 0.1, adagrad: 0.01, rwsadagrad: 0.01, adam: 0.001, ftrl: 0.1 }[rule] : 0.01
}

/** Labels that can be learnt, so that other defaults make sense than for the reference's random ones. */
export const hasClicks = (mode: Mode): boolean => mode !== 'random' && mode !== 'trace'

function modeOf(flags: TrainFlags): Mode {
  const kind = flags.dataGeneration ?? 'random'
  if (kind === 'dataset') return flags.dataSet ?? 'kaggle'
  if (kind === 'synthetic') return flags.dataTraceFile === undefined ? 'synthetic' : 'trace'
  return 'random'
}

const needs: Readonly<Record<string, string>> = {
  random: '--data-generation=random',
  'random,trace': '--data-generation=random or --data-trace-file',
  trace: '--data-generation=synthetic and --data-trace-file',
  synthetic: '--data-generation=synthetic without --data-trace-file',
  'random,trace,synthetic': '--data-generation=random or synthetic',
  'kaggle,csv': '--data-generation=dataset',
  csv: '--data-generation=dataset --data-set=csv',
  'synthetic,kaggle,csv': 'validation data (--data-generation=synthetic or dataset)',
}

function checkMode(flags: TrainFlags, mode: Mode): void {
  for (const { spec, only } of Object.values(trainFlags).flat()) {
    const name = spec.split(' ')[0]!
    if (only && !only.includes(mode) && flags[keyOf(name)] !== undefined) {
      throw new UsageError(`${name}: only with ${needs[only.join()]}`)
    }
  }
}

/** Another model has none of DLRM's options. */
function checkModel(flags: TrainFlags): void {
  if ((flags.model ?? 'dlrm') === 'dlrm') return
  for (const { spec } of dlrmFlags) {
    const name = spec.split(' ')[0]!
    if (flags[keyOf(name)] !== undefined) throw new UsageError(`${name}: only with --model=dlrm`)
  }
}

/** `--mini-batch-size` as a key of the flags. */
export const keyOf = (name: string): keyof TrainFlags =>
  name.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof TrainFlags

function checkPairs(flags: TrainFlags): void {
  const { hashSize, maxIndRange, seed, numpyRandSeed, optimizer = 'sgd' } = flags
  const hashed = hashSize !== undefined || (maxIndRange !== undefined && maxIndRange > 0)
  const clash = (bad: boolean | undefined, message: string): void => {
    if (bad) throw new UsageError(message)
  }
  clash(
    flags.dataGeneration === 'dataset' && flags.rawDataFile === undefined,
    '--data-generation=dataset: needs --raw-data-file',
  )
  clash(
    hashSize !== undefined && maxIndRange !== undefined,
    '--hash-size and --max-ind-range: give one of them, not both',
  )
  clash(
    hashed && flags.minCount !== undefined,
    '--min-count: for vocabularies, not with --hash-size or --max-ind-range',
  )
  clash(
    hashed && flags.encode !== undefined && flags.encode !== 'hash',
    `--encode=${flags.encode}: not with a hash size`,
  )
  clash(flags.encode === 'hash' && !hashed, '--encode=hash: needs --hash-size')
  clash(
    flags.validDataFile !== undefined && flags.validFraction !== undefined,
    '--valid-data-file and --valid-fraction: give one of them, not both',
  )
  clash(
    seed !== undefined && numpyRandSeed !== undefined && seed !== numpyRandSeed,
    '--seed and --numpy-rand-seed: give one of them, not both',
  )
  clash(flags.momentum !== undefined && optimizer !== 'sgd', '--momentum: only with --optimizer=sgd')
  for (const decay of ['weightDecay', 'tableWeightDecay'] as const) {
    const name = decay === 'weightDecay' ? '--weight-decay' : '--table-weight-decay'
    clash(flags[decay] !== undefined && optimizer === 'ftrl', `${name}: not with --optimizer=ftrl, which has --ftrl-l2`)
  }
  const ftrl = optimizer === 'ftrl' || flags.wideOptimizer === 'ftrl'
  for (const [name, value] of [
    ['--ftrl-beta', flags.ftrlBeta],
    ['--ftrl-l1', flags.ftrlL1],
    ['--ftrl-l2', flags.ftrlL2],
  ] as const) {
    clash(value !== undefined && !ftrl, `${name}: only with --optimizer=ftrl or --wide-optimizer=ftrl`)
  }
  clash(
    flags.wideLearningRate !== undefined && flags.wideOptimizer === undefined,
    '--wide-learning-rate: only with --wide-optimizer',
  )
  const { lrPlateauFactor, lrPlateauPatience, lrPlateauMin } = flags
  const plateau = [lrPlateauFactor, lrPlateauPatience, lrPlateauMin].some(value => value !== undefined)
  clash(
    flags.metric !== undefined && flags.earlyStopping === undefined && !plateau,
    '--metric: only with --early-stopping or --lr-plateau-...',
  )
  clash(
    flags.prune === undefined && (flags.pruneWarmupEpochs ?? flags.pruneEvery ?? flags.pruneSpan) !== undefined,
    '--prune-warmup-epochs, --prune-every and --prune-span: only with --prune',
  )
  clash(flags.resume && flags.checkpointDir === undefined, '--resume: needs --checkpoint-dir')
  clash(
    flags.checkpointEvery !== undefined && flags.checkpointDir === undefined,
    '--checkpoint-every: needs --checkpoint-dir',
  )
  clash(
    flags.lossWeights !== undefined && flags.lossFunction !== 'wbce' && flags.loadModel === undefined,
    '--loss-weights: only with --loss-function=wbce',
  )
  clash(flags.lossThreshold === 1, '--loss-threshold: expected a number below 1')
  clash(
    (flags.lrDecayStartStep ?? 0) < (flags.lrNumWarmupSteps ?? 0),
    '--lr-decay-start-step: expected at least --lr-num-warmup-steps',
  )
  const parts = {
    qr: ['qrThreshold', 'qrCollisions', 'qrOperation'],
    md: ['mdThreshold', 'mdTemperature', 'mdRoundDims'],
  }
  for (const [kind, names] of Object.entries(parts)) {
    const given = names.some(name => flags[name as keyof TrainFlags] !== undefined)
    clash(given && !flags[`${kind as 'qr' | 'md'}Flag`], `--${kind}-...: only with --${kind}-flag`)
  }
  clash(flags.qrFlag && flags.mdFlag, '--qr-flag and --md-flag: give one of them, not both')
  const compressed = flags.qrFlag || flags.mdFlag
  clash(
    compressed && flags.weightedPooling === 'learned',
    '--weighted-pooling=learned: not with --qr-flag or --md-flag',
  )
  clash(compressed && flags.pooling === 'max', '--pooling=max: not with --qr-flag or --md-flag')
  clash(flags.inferenceOnly && flags.resume, '--inference-only: not with --resume')
}

/** The model that the flags describe, for data of D dense features and these tables. Errors: UsageError. */
export function modelConfig(
  settings: TrainSettings,
  data: Pick<DLRMConfig, 'dense' | 'tables' | 'tableNames' | 'columns' | 'buckets'>,
): DLRMConfig {
  const clicks = hasClicks(settings.mode)
  const { qrFlag, qrOperation = 'mult' } = settings
  const parts = qrFlag && qrOperation === 'concat' ? 2 : 1
  const width = parts * (settings.archSparseFeatureSize ?? (clicks ? 16 : 2))
  const top = settings.archMlpTop ?? (clicks ? [512, 256, 1] : [4, 2, 1])
  if (top.at(-1) !== 1) throw new UsageError(`--arch-mlp-top=${top.join('-')}: expected the last width to be 1`)
  return {
    ...data,
    embeddingDim: width,
    bottom: data.dense > (data.buckets?.length ?? 0) ? bottomLayers(settings, width) : refuseBottom(settings),
    top,
    interaction: settings.archInteractionOp ?? 'dot',
    interactionItself: settings.archInteractionItself ?? false,
    pooling: settings.pooling ?? 'sum',
    weightedPooling: settings.weightedPooling ?? 'fixed',
    ...compression(settings),
    loss: settings.lossFunction ?? (clicks ? 'bce' : 'mse'),
    lossWeights: settings.lossWeights ?? [1, 1],
    lossThreshold: settings.lossThreshold ?? 0,
    ...(settings.precision ? { precision: settings.precision } : {}),
    ...(settings.tableDtype ? { tableDtype: settings.tableDtype } : {}),
  }
}

/**
 * With the reference's data and start values also its order, pool, then combine, and its loss: its quotient-remainder tables start
 * so large that probabilities saturate.
 */
function compression(s: TrainSettings): Pick<DLRMConfig, 'qr' | 'md' | 'lossSaturates'> {
  const { qrThreshold, qrCollisions: collisions, qrOperation: operation, mode } = s
  const qr = { threshold: qrThreshold, collisions, operation, poolFirst: !hasClicks(mode) }
  const md = { threshold: s.mdThreshold, temperature: s.mdTemperature, roundDims: s.mdRoundDims }
  return { ...(s.qrFlag ? { qr, lossSaturates: !hasClicks(mode) } : {}), ...(s.mdFlag ? { md } : {}) }
}

function bottomLayers(settings: TrainSettings, width: number): number[] {
  const { archMlpBot: bottom, mode } = settings
  if (!bottom) return hasClicks(mode) ? [512, 256, 64, width] : [3, width]
  if (bottom.length < 2) throw new UsageError(`--arch-mlp-bot=${bottom.join('-')}: expected at least two widths`)
  if (bottom.at(-1) !== width) {
    throw new UsageError(
      `--arch-sparse-feature-size=${width} does not match the last width of the bottom MLP, --arch-mlp-bot=${bottom.join('-')}`,
    )
  }
  return bottom.slice(1)
}

function refuseBottom({ archMlpBot }: TrainSettings): number[] {
  if (archMlpBot) throw new UsageError(`--arch-mlp-bot=${archMlpBot.join('-')}: the data has no dense columns`)
  return []
}

/** Flags that say what a loaded model says already. */
export const shapeFlags = [
  'archSparseFeatureSize',
  'archEmbeddingSize',
  'archMlpBot',
  'archMlpTop',
  'archInteractionOp',
  'archInteractionItself',
  'weightedPooling',
  'pooling',
  'qrFlag',
  'mdFlag',
] as const
