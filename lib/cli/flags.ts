import { type Flag, flag, type Groups, yes } from './flag.js'
import { modelList } from './models.js'
import { integer, names, oneOf, text } from './parse.js'
import {
  csv,
  data,
  dlrmFlags,
  files,
  gpu,
  JUDGED,
  machine,
  others,
  precision,
  servedTables,
  trainFlags,
  training,
} from './train_flags.js'

/** Not for a comparison: it names its models itself, keeps none, and each run is new. */
const ONE_MODEL =
  '--model --load-model --save-model --inference-only --checkpoint-dir --checkpoint-every --resume --print-freq --print-time --json --progress'

const compared = (flags: readonly Flag[]): Flag[] =>
  flags.filter(({ spec, only }) => {
    const name = spec.split(' ')[0]!
    return !ONE_MODEL.split(' ').includes(name) && (!only || only.some(mode => JUDGED.includes(mode)))
  })

const comparison: Flag[] = [
  flag(
    '--models <a,b>',
    names,
    `the models, in the order of the table: ${modelList()}, JavaScript files, or entries of --settings (default: all entries)`,
  ),
  flag(
    '--settings <file>',
    text,
    'JSON, {"<entry>": {"model": "deepfm", "<flag>": value, ...}, ...}: flags of single models; "*": of all (default none)',
  ),
  flag(
    '--seeds <n>',
    integer(1, 1000),
    'runs of each model; the first has the seed of --seed, then one more each (default 1)',
  ),
  flag('--html <file>', text, 'write a page with the table and the curves (default none)'),
  yes('--json', 'one JSON object per line instead of a table (default off)'),
]

/** Flags for the data of all models, and for how each is trained. */
export const compareFlags: Groups = {
  'Comparison:': comparison,
  ...Object.fromEntries(
    Object.entries(trainFlags).flatMap(([heading, flags]) => {
      const kept = compared(flags)
      return kept.length > 0 ? [[heading, kept]] : []
    }),
  ),
}

/** What an entry of `--settings` may set: the model, its options and its training, not the data. */
export const entryFlags: readonly Flag[] = compared([
  ...dlrmFlags,
  ...others,
  ...data.filter(({ spec }) => /^--(test-)?mini-batch-size /.test(spec)),
  ...files.filter(({ spec }) => spec.startsWith('--shuffle ')),
  ...training,
])

const byName = (flags: readonly Flag[], ...wanted: string[]): Flag[] =>
  wanted.map(name => ({ ...flags.find(f => f.spec.startsWith(`${name} `))!, only: undefined }))

export const evalFlags: Groups = {
  'Options:': [
    flag('--load-model <file>', text, 'the model (default none: is needed)'),
    flag('--model <file>', text, 'a JavaScript file with its class, if it is a model of your own (default none)'),
    flag(
      '--raw-data-file <file>',
      text,
      'labelled rows, in the format the model was trained on (default none: is needed)',
    ),
    flag(
      '--data-set <format>',
      oneOf('kaggle', 'csv'),
      "format of the file (default: as the model's columns are named)",
    ),
    flag('--test-mini-batch-size <B>', integer(1), 'examples of a batch (default 2048)'),
    flag('--num-batches <n>', integer(0), 'judge the first n batches only; 0: all (default 0)'),
    ...byName(files, '--on-bad-line'),
    ...byName(csv, '--delimiter'),
    precision,
    servedTables,
    gpu,
    ...machine,
    yes('--json', 'one JSON object instead of text (default off)'),
  ],
}

export const predictFlags: Groups = {
  'Options:': [
    flag('--load-model <file>', text, 'the model (default none: is needed)'),
    flag('--model <file>', text, 'a JavaScript file with its class, if it is a model of your own (default none)'),
    flag(
      '--format <format>',
      oneOf('kaggle', 'csv', 'jsonl'),
      'Criteo lines with or without label, CSV with a header line, or one JSON row per line (default: guessed from the first line)',
    ),
    ...byName(csv, '--delimiter'),
    flag(
      '--on-bad-line <what>',
      oneOf('skip', 'error'),
      'skip: print nan for a malformed line; or stop (default error)',
    ),
    precision,
    servedTables,
    gpu,
    ...machine,
    yes('--json', 'print {"probability": ...} lines (default off)'),
  ],
}

export const quantizeFlags: Groups = {
  'Options:': [
    flag('--load-model <file>', text, 'the model (default none: is needed)'),
    flag('--model <file>', text, 'a JavaScript file with its class, if it is a model of your own (default none)'),
    flag('--save-model <file>', text, 'write the quantised model here (default none: is needed)'),
    flag('--tables <t>', oneOf('int8', 'int4'), 'a byte or half of one for each number of a table (default int8)'),
  ],
}

export const infoFlags: Groups = { 'Options:': [yes('--json', 'one JSON object instead of text (default off)')] }

export const demoFlags: Groups = {
  'Options:': [
    flag('--rows <n>', integer(20_000, 10_000_000), 'examples to make (default 600000)'),
    flag('--seed <n>', integer(0, 0xffffffff), 'of data and model (default 1)'),
    ...machine,
  ],
}

/** Flags of dlrm_s_pytorch.py that change nothing here: taken, with a note, so that its scripts run as they are. */
export const ignoredFlags: Readonly<Record<string, string>> = {
  '--processed-data-file': 'files are read as they are',
  '--num-workers': 'one thread reads ahead',
  '--test-num-workers': 'one thread reads ahead',
  '--memory-map': 'files are never read as a whole',
  '--dataset-multiprocessing': 'files are never preprocessed',
  '--print-precision': 'losses have six decimals',
  '--tensor-board-filename': 'use --json for a log',
  '--sync-dense-params': 'there is one process',
}

/** Its flags for what this package does not have (yet): an error that says so, rather than "unknown option". */
export const missingFlags: readonly string[] = [
  '--activation-function',
  '--data-randomize --data-sub-sample-rate --quantize-mlp-with-bit --quantize-emb-with-bit --save-onnx --local_rank --dist-backend',
  '--print-wall-time --debug-mode --enable-profiling --plot-compute-graph --mlperf-logging --mlperf-acc-threshold --mlperf-auc-threshold',
  '--mlperf-bin-loader --mlperf-bin-shuffle --mlperf-grad-accum-iter',
].flatMap(line => line.split(' '))
