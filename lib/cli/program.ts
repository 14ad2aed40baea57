import { Command, CommanderError, Option } from 'commander'
import { DlrmError } from '../errors.js'
import type { Groups } from './flag.js'
import {
  compareFlags,
  demoFlags,
  evalFlags,
  ignoredFlags,
  infoFlags,
  missingFlags,
  predictFlags,
  quantizeFlags,
} from './flags.js'
import type { Io } from './io.js'
import { trainFlags } from './train_flags.js'
import { UsageError } from './usage.js'
import { version } from './version.js'

const EXAMPLES = `
Examples:
  See a model train on Criteo-format clicks, in under a minute:
    $ dlrm demo
  Train on Criteo's Kaggle data, judge on a test file, save the model:
    $ dlrm train --data-generation=dataset --data-set=kaggle --raw-data-file=train.txt --test-data-file=test.txt --save-model=m.safetensors
  Compare models on the same data, on a page with curves:
    $ dlrm compare --models=lr,fm,deepfm,dlrm --data=train.txt --seeds=3 --html=report.html
  Click probabilities of raw rows from a pipe:
    $ cat rows.txt | dlrm predict --load-model=m.safetensors -

dlrm <command> --help explains every flag. Exit codes: 0 done, 1 error, 2 wrong flags, 130 stopped by Ctrl-C.`

const TRAIN_HELP = `
Flags and defaults are those of dlrm_s_pytorch.py where it has them; "clicks" names the default for data with something to learn:
--data-generation=synthetic or dataset.
Sizes are numbers between dashes, 512-256-64. A flag without value also takes True or False.`

const COMPARE_HELP = `
Flags and defaults are those of dlrm train, with --data-generation=synthetic as the default. An option of a model goes to the models
that have it. Settings of an entry win over those of "*", and flags of this command line over both.

Example:
  $ dlrm compare --models=lr,fm,deepfm --data=train.csv --test-data-file=test.csv --optimizer=adam --nepochs=20 --early-stopping=2 --seeds=3 --html=report.html`

/** Runs one command line; resolves to the exit code and never throws. Modules of a command are loaded only when it runs. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let code = 0
  const program = makeProgram(io, exit => {
    code = exit
  })
  try {
    await program.parseAsync(argv as string[], { from: 'user' })
    return code
  } catch (error) {
    return explain(error, io)
  }
}

/** Says on one line what went wrong; returns the exit code. */
function explain(error: unknown, io: Io): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof UsageError) {
    io.stderr.write(`error: ${error.message}\n`)
    return 2
  }
  const { stack, message } = error instanceof Error ? error : new Error(String(error))
  const debug = io.env.DLRM_DEBUG ? `${stack}\n` : ''
  const code = error instanceof DlrmError ? error.code : ((error as NodeJS.ErrnoException)?.code ?? 'ERR_UNEXPECTED')
  const text = code === 'ERR_NATIVE' ? message : message.split('\n')[0]
  io.stderr.write(`error [${code}]: ${text}\n${debug}`)
  return 1
}

function makeProgram(io: Io, exit: (code: number) => void): Command {
  const program = configured(new Command('dlrm'), io)
    .description('Train and serve DLRM recommendation models.')
    .version(version(), '-v, --version')
    .addHelpText('after', EXAMPLES)
  const command = (name: string, description: string, groups: Groups): Command =>
    addFlags(configured(program.command(name), io).description(description), groups)

  addForeignFlags(command('train', 'Train a model on random, synthetic or real data.', trainFlags), io)
    .addHelpText('after', TRAIN_HELP)
    .action(async flags => exit(await (await import('./train.js')).train(flags, io)))
  command('compare', 'Train several models side by side, print a table, write a page with the curves.', compareFlags)
    .addHelpText('after', COMPARE_HELP)
    .action(async flags => exit(await (await import('./compare.js')).compare(flags, io)))
  command('eval', 'Judge a saved model on a file of labelled rows.', evalFlags).action(async flags =>
    exit(await (await import('./eval.js')).evalCommand(flags, io)),
  )
  command('predict', 'Print one probability for each raw row of a file, or of standard input (-).', predictFlags)
    .argument('[file]', 'raw rows', '-')
    .action(async (file, flags) => exit(await (await import('./predict.js')).predict(file, flags, io)))
  command('quantize', 'Make the tables of a saved model int8 or int4, for predictions.', quantizeFlags).action(
    async flags => exit(await (await import('./quantize.js')).quantize(flags, io)),
  )
  command('info', 'Say what is in a model file (also a bare state_dict from PyTorch).', infoFlags)
    .argument('<model>', 'a safetensors file')
    .action(async (file, flags) => exit(await (await import('./info.js')).info(file, flags, io)))
  command(
    'demo',
    'Make clicks, train on them, save, load and predict: the whole way in under a minute.',
    demoFlags,
  ).action(async flags => exit(await (await import('./demo.js')).demo(flags, io)))
  return program
}

function configured(command: Command, io: Io): Command {
  return command
    .exitOverride()
    .configureHelp({ helpWidth: 120 })
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError(false)
}

function addFlags(command: Command, groups: Groups): Command {
  for (const [heading, flags] of Object.entries(groups)) {
    for (const { spec, help, parse } of flags) {
      command.addOption(new Option(spec, help).argParser(parse).helpGroup(heading))
    }
  }
  return command
}

/** Takes the reference's other flags, so that each can be answered with a sentence. */
function addForeignFlags(command: Command, io: Io): Command {
  const foreign = [...Object.keys(ignoredFlags), ...missingFlags].map(name => new Option(`${name} [x]`).hideHelp())
  for (const option of foreign) command.addOption(option)
  return command.hook('preAction', (_, action) => {
    for (const option of foreign) {
      if (action.getOptionValue(option.attributeName()) === undefined) continue
      const why = ignoredFlags[option.long!]
      if (why === undefined) throw new UsageError(`${option.long}: dlrm_s_pytorch.py has this flag, dlrm does not`)
      io.stderr.write(`note: ${option.long} has no effect here: ${why}\n`)
    }
  })
}
