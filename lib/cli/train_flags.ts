import { type Flag, flag, type Groups, type Mode, yes } from './flag.js'
import { modelFlags, modelList } from './models.js'
import {
  byColumn,
  character,
  integer,
  integers,
  json,
  names,
  number,
  oneOf,
  shares,
  text,
  twoNumbers,
} from './parse.js'

const RANDOM: Mode[] = ['random']
const MADE: Mode[] = ['random', 'trace', 'synthetic']
const FILES: Mode[] = ['kaggle', 'csv']
export const JUDGED: Mode[] = ['synthetic', 'kaggle', 'csv']

export const model: Flag[] = [
  flag(
    '--model <kind>',
    text,
    `${modelList()}, or a JavaScript file whose default export defineModel made (default dlrm)`,
  ),
  flag(
    '--load-model <file>',
    text,
    'start from this model, with its sizes and columns; the optimizer starts anew (default none)',
  ),
  flag('--save-model <file>', text, 'write the trained model here, as safetensors (default none)'),
]

export const precision: Flag = flag(
  '--precision <p>',
  oneOf('fp32', 'bf16'),
  'of the factors in MLPs and dot interactions; sums and parameters are fp32 (default fp32; of a loaded model its own)',
)

const TABLE_DTYPE = 'how embedding tables lie in memory'
const trainedTables: Flag = flag(
  '--table-dtype <t>',
  oneOf('f32', 'bf16', 'f16'),
  `${TABLE_DTYPE}; bf16 and f16 are rounded stochastically (default f32; of a loaded model its own)`,
)
export const servedTables: Flag = flag(
  '--table-dtype <t>',
  oneOf('f32', 'bf16', 'f16', 'int8', 'int4'),
  `${TABLE_DTYPE}; int8 and int4 are quantised by row (default the model's own)`,
)

const dlrm: Flag[] = [
  flag('--arch-sparse-feature-size <E>', integer(1), 'width of every embedding (default 2; clicks 16)'),
  flag(
    '--arch-embedding-size <R-R-...>',
    integers,
    'rows of each table (default 4-3-2; synthetic 1000-200-50; files bring their own)',
    MADE,
  ),
  flag(
    '--arch-mlp-bot <D-N-...-E>',
    integers,
    'widths of the bottom MLP: the dense features first (files bring their own number), E last (default 4-3-E; clicks 13-512-256-64-E)',
  ),
  flag(
    '--arch-mlp-top <N-...-1>',
    integers,
    'widths of the top MLP after its input, which is computed, 1 last (default 4-2-1; clicks 512-256-1)',
  ),
  flag(
    '--arch-interaction-op <op>',
    oneOf('dot', 'cat'),
    'dot: products of all pairs; cat: concatenation (default dot)',
  ),
  yes('--arch-interaction-itself', 'with dot: also the product of each vector with itself (default off)'),
  flag(
    '--weighted-pooling <kind>',
    oneOf('fixed', 'learned'),
    'a factor per table row: fixed at 1, or learned (default fixed)',
  ),
  flag('--pooling <mode>', oneOf('sum', 'mean', 'max'), 'how the rows of a lookup become one vector (default sum)'),
  yes('--qr-flag', 'quotient-remainder tables: two small ones instead of a large one (default off)'),
  flag('--qr-threshold <R>', integer(0), 'of tables of more rows (default 200)'),
  flag('--qr-collisions <c>', integer(1), 'rows R / c and c instead of R (default 4)'),
  flag(
    '--qr-operation <op>',
    oneOf('mult', 'add', 'concat'),
    'how their rows are composed; concat: the vectors are twice as wide (default mult)',
  ),
  yes('--md-flag', 'tables of mixed dimension: the larger, the narrower, and projected (default off)'),
  flag('--md-threshold <R>', integer(0), 'tables of more rows (default 200)'),
  flag('--md-temperature <x>', number(0), 'width E (R / R_min)^-x (default 0.3)'),
  yes('--md-round-dims', 'widths are powers of two (default off)'),
  flag('--loss-function <loss>', oneOf('mse', 'bce', 'wbce'), 'mse, bce or wbce (default mse; clicks bce)'),
  flag('--loss-weights <w0-w1>', twoNumbers, 'with wbce: weights of labels 0 and 1 (default 1.0-1.0)'),
  flag('--loss-threshold <t>', number(0, 1), 'clamps probabilities to [t, 1-t] when 0 < t < 1 (default 0.0: no clamp)'),
]

/** Keys of the flags that are DLRM's own. */
export const dlrmFlags: readonly Flag[] = dlrm.filter(({ spec }) => !spec.startsWith('--arch-embedding-size'))

export const others: Flag[] = [
  ...modelFlags(),
  flag('--model-options <json>', json, 'options of a model of your own, as JSON (default {})'),
]

export const data: Flag[] = [
  flag(
    '--data <file>',
    text,
    'short for --data-generation=dataset --raw-data-file=<file>, --data-set guessed from its first line (default none)',
  ),
  flag(
    '--data-generation <kind>',
    oneOf('random', 'synthetic', 'dataset'),
    'random: as the reference; synthetic: clicks of a planted teacher, or a locality trace; dataset: files (default random)',
  ),
  flag('--data-size <n>', integer(1), 'examples of an epoch (default 1; synthetic 100000)', MADE),
  flag('--num-batches <n>', integer(0), 'batches of an epoch; 0: all there are (default 0)'),
  flag('--mini-batch-size <B>', integer(1), 'examples of a training step (default 1; clicks 128)'),
  flag('--test-mini-batch-size <B>', integer(-1), 'examples of a test batch (default -1: as training; clicks 2048)'),
  flag('--num-indices-per-lookup <n>', integer(1), 'most indices of one lookup (default 10; synthetic 1)', MADE),
  yes('--num-indices-per-lookup-fixed', 'exactly so many indices, not up to (default off; synthetic always)', MADE),
  yes('--round-targets', 'labels 0 or 1 instead of uniform in [0, 1) (default off; clicks are 0 or 1 anyway)'),
  flag('--rand-data-dist <kind>', oneOf('uniform', 'gaussian'), 'of the indices (default uniform)', RANDOM),
  flag('--rand-data-min <n>', number(), 'gaussian: least index (default 0)', RANDOM),
  flag('--rand-data-max <n>', number(), 'gaussian: greatest index (default 1)', RANDOM),
  flag('--rand-data-mu <x>', number(), 'gaussian: mean; -1: middle of the range (default -1)', RANDOM),
  flag('--rand-data-sigma <x>', number(0), 'gaussian: standard deviation (default 1)', RANDOM),
  flag(
    '--data-trace-file <file>',
    text,
    'synthetic: a locality profile; "j" in the name becomes the table number (default none)',
    ['trace'],
  ),
  yes('--data-trace-enable-padding', 'no first accesses once all indices have come (default off)', ['trace']),
  flag('--zipf <s>', number(0), 'synthetic: exponent of the popularity of ids (default 1.05)', ['synthetic']),
  flag('--numpy-rand-seed <n>', integer(0, 0xffffffff), 'seed of parameters, data and order (default 123)'),
  flag('--seed <n>', integer(0, 0xffffffff), 'another name of --numpy-rand-seed (default 123)'),
]

export const files: Flag[] = [
  flag(
    '--data-set <format>',
    oneOf('kaggle', 'csv'),
    'kaggle: Criteo lines; csv: with a header line (default kaggle)',
    FILES,
  ),
  flag('--raw-data-file <file>', text, 'training file (default none: is needed)', FILES),
  flag('--valid-data-file <file>', text, 'validation file (default: the end of the training file)', FILES),
  flag(
    '--valid-fraction <x>',
    number(0, 0.999),
    'share of the training file, its end, for validation (default 0.1)',
    FILES,
  ),
  flag('--test-data-file <file>', text, 'test file, judged after training (default none)', FILES),
  flag(
    '--max-ind-range <R>',
    integer(-1),
    'hash categories into tables of R rows; -1: vocabularies instead (default -1)',
    FILES,
  ),
  flag('--hash-size <R>', integer(1), 'another name of --max-ind-range (default none)', FILES),
  flag('--min-count <n>', integer(1), 'vocabularies: rarer categories share a row (default: kaggle 10, csv 1)', FILES),
  flag(
    '--buckets <column=n,...>',
    byColumn(integer(2)),
    'numeric columns cut into n buckets of about as many examples, each with an embedding (default none)',
    FILES,
  ),
  flag(
    '--share <column=other,...>',
    byColumn(text),
    'columns with the same values: one vocabulary, and one table in models (default none)',
    FILES,
  ),
  flag(
    '--transform <kind>',
    oneOf('identity', 'log1p', 'quantile'),
    'of numeric columns; quantile: into [0, 1) by quantiles (default: kaggle log1p, csv identity)',
    FILES,
  ),
  flag('--on-bad-line <what>', oneOf('skip', 'error'), 'skip and count malformed lines, or stop (default skip)', FILES),
  yes('--shuffle', 'a new order in each epoch (default on)', JUDGED),
]

export const csv: Flag[] = [
  flag('--label <column>', text, 'the label, 0 or 1 (default label)', ['csv']),
  flag('--weight-column <column>', text, 'what each example counts in the training loss, >= 0 (default none)', ['csv']),
  flag('--dense-columns <a,b>', names, 'numeric columns (default none)', ['csv']),
  flag('--categorical-columns <a,b>', names, 'categorical columns (default all others)', ['csv']),
  flag('--encode <kind>', oneOf('vocabulary', 'hash', 'id'), 'of categorical columns (default vocabulary)', ['csv']),
  flag('--delimiter <c>', character, 'between cells: a character, or tab (default ,)', ['csv']),
  flag('--separator <c>', character, 'between several values in one cell (default none)', ['csv']),
  flag(
    '--pooling-of <column=mode,...>',
    byColumn(oneOf('sum', 'mean', 'max')),
    'how the vectors of several values of a column become one: sum, mean or max (default sum)',
    ['csv'],
  ),
]

const rule = oneOf('sgd', 'adagrad', 'rwsadagrad', 'adam', 'ftrl')

export const training: Flag[] = [
  precision,
  trainedTables,
  flag('--nepochs <n>', integer(1), 'passes over the training data (default 1)'),
  flag('--optimizer <rule>', rule, 'rwsadagrad: one sum per table row; ftrl: FTRL-proximal (default sgd)'),
  flag('--learning-rate <x>', number(0), 'step size (default 0.01; clicks: sgd, ftrl 0.1, adam 0.001, others 0.01)'),
  flag('--momentum <x>', number(0, 0.999999), 'sgd: of dense parameters, with --lazy=false of tables too (default 0)'),
  flag('--weight-decay <x>', number(0), 'L2 penalty on dense parameters (default 0)'),
  flag(
    '--table-weight-decay <x>',
    number(0),
    'L2 penalty on tables: on the rows that a batch looks up, with --lazy=false on all (default 0)',
  ),
  yes('--lazy', 'change the table rows that a batch looks up only; false: all, as with dense gradients (default on)'),
  flag('--clip-norm <x>', number(0), 'most that the norm of all gradients may be; 0: any (default 0)'),
  flag('--ftrl-beta <x>', number(0), 'ftrl: smooths the first steps (default 1)'),
  flag('--ftrl-l1 <x>', number(0), 'ftrl: L1 penalty, makes weights 0 (default 0)'),
  flag('--ftrl-l2 <x>', number(0), 'ftrl: L2 penalty (default 0)'),
  flag('--wide-optimizer <rule>', rule, 'of the wide part of a model that has one (default: as --optimizer)'),
  flag('--wide-learning-rate <x>', number(0), 'of --wide-optimizer (default: that of the rule)'),
  flag(
    '--lr-plateau-factor <x>',
    number(1e-9, 0.999999),
    'multiply learning rates with this when the metric no longer improves (default off; 0.1 with the next two)',
    JUDGED,
  ),
  flag('--lr-plateau-patience <n>', integer(1), 'validations without a better metric until then (default 1)', JUDGED),
  flag('--lr-plateau-min <x>', number(0), 'least learning rate then (default 0)', JUDGED),
  flag('--lr-num-warmup-steps <n>', integer(0), 'steps until the full learning rate (default 0)'),
  flag('--lr-decay-start-step <n>', integer(0), 'step at which quadratic decay begins (default 0)'),
  flag('--lr-num-decay-steps <n>', integer(0), 'steps of the decay; 0: none (default 0)'),
  flag(
    '--prune <share>',
    shares('tables', 'mlp', 'pairs'),
    'DeepLight: share of the weights that become zero while training: of tables, MLPs and pairs alike, or tables:0.8,mlp:0.9 (default 0)',
  ),
  flag('--prune-warmup-epochs <n>', integer(0), 'epochs before the first weights are pruned (default 0)'),
  flag('--prune-every <n>', integer(1), 'steps from one pruning to the next (default 10)'),
  flag('--prune-span <n>', number(1e-9), 'steps in which what is missing to the share shrinks by 1 % (default 100)'),
  flag(
    '--test-freq <n>',
    integer(-1),
    'validate each n steps of an epoch (default -1: at the end of an epoch; random: never)',
  ),
  flag(
    '--early-stopping <n>',
    integer(1),
    'stop after n validations without a better metric, keep the best (default off)',
    JUDGED,
  ),
  flag(
    '--metric <name>',
    oneOf('auc', 'logloss', 'rmse'),
    'for early stopping and --lr-plateau-... (default auc; models that predict numbers rmse)',
    JUDGED,
  ),
  yes('--inference-only', 'no training: judge the model on the test data (default off)'),
  flag('--checkpoint-dir <folder>', text, 'write checkpoints here (default none)'),
  flag('--checkpoint-every <n>', integer(1), 'steps between checkpoints (default 1000)'),
  yes('--resume', 'go on from the newest checkpoint in --checkpoint-dir, exactly as if never stopped (default off)'),
]

export const gpu: Flag = yes('--use-gpu', "the model lives on this machine's NVIDIA GPU (default off: on the CPU)")

export const machine: Flag[] = [
  flag('--threads <n>', integer(1, 1024), 'threads (default: DLRM_THREADS, or the cores this process may use)'),
]

const output: Flag[] = [
  flag('--print-freq <n>', integer(1), 'steps between reports (default 1; clicks 100)'),
  yes('--print-time', 'measure and print ms per step (default off: -1.00)'),
  yes('--json', 'one JSON object per line instead of text (default off)'),
  yes('--progress', 'a progress bar (default: on a terminal, unless --json)'),
]

export const trainFlags: Groups = {
  'Model:': model,
  'DLRM:': dlrm,
  'Other models, and dlrm where named:': others,
  'Data:': data,
  'Files (--data-generation=dataset):': files,
  'CSV files (--data-set=csv):': csv,
  'Training:': training,
  'Machine and output:': [gpu, ...machine, ...output],
}
