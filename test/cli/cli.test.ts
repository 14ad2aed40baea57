import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run } from '../../lib/cli/program.js'
import { writeSafetensors } from '../../lib/format/safetensors.js'
import { objects, runCli } from '../support/cli.js'

const SMALL = ['--arch-sparse-feature-size=4', '--arch-mlp-bot=13-8-4', '--arch-mlp-top=8-1', '--mini-batch-size=64']

t.test('help names commands, flags, units and defaults', async t => {
  const { code, out } = await runCli(['--help'])
  t.equal(code, 0)
  for (const word of ['train', 'eval', 'predict', 'info', 'demo', '$ dlrm demo']) t.match(out, word)
  const flags = await import('../../lib/cli/flags.js')
  const { trainFlags } = await import('../../lib/cli/train_flags.js')
  const groups = {
    train: trainFlags,
    eval: flags.evalFlags,
    predict: flags.predictFlags,
    compare: flags.compareFlags,
    quantize: flags.quantizeFlags,
    info: flags.infoFlags,
    demo: flags.demoFlags,
  }
  for (const [command, group] of Object.entries(groups)) {
    const help = (await runCli([command, '--help'])).out
    for (const { spec, help: text } of Object.values(group).flat()) {
      t.ok(help.includes(spec), `${command} ${spec}`)
      t.match(text, /\(default[ :]/, `${command} ${spec}`)
    }
  }
  t.match((await runCli(['--version'])).out, /^\d+\.\d+\.\d+/)
})

t.test('flags that are wrong, contradict each other or do not fit end with exit code 2 and one line', async t => {
  const cases: [string, RegExp][] = [
    ['train --no-such-flag', /unknown option '--no-such-flag'/],
    ['train --mini-batch-size=0', /--mini-batch-size.*Expected an integer >= 1/],
    ['train --mini-batch-size=1e3', /Expected an integer/],
    ['train --learning-rate=fast', /--learning-rate.*Expected a number >= 0/],
    ['train --loss-function=hinge', /Expected mse or bce or wbce/],
    ['train --arch-mlp-bot=4-x-2', /Expected integers >= 1 between dashes/],
    ['train --loss-weights=1', /Expected two numbers/],
    ['train --round-targets=perhaps', /Expected True or False/],
    ['train --debug-mode', /--debug-mode: dlrm_s_pytorch.py has this flag, dlrm does not/],
    ['train --data-generation=dataset', /needs --raw-data-file/],
    ['train --raw-data-file=x', /--raw-data-file: only with --data-generation=dataset/],
    ['train --zipf=1', /--zipf: only with --data-generation=synthetic/],
    ['train --data-generation=dataset --raw-data-file=x --label=y', /--label: only with .*--data-set=csv/],
    ['train --data-generation=dataset --raw-data-file=x --data-size=5', /--data-size: only with/],
    ['train --data-generation=dataset --raw-data-file=x --hash-size=5 --min-count=2', /--min-count/],
    ['train --data-generation=dataset --raw-data-file=x --hash-size=5 --max-ind-range=6', /give one of them/],
    ['train --data-generation=dataset --data-set=csv --raw-data-file=x --encode=hash', /needs --hash-size/],
    ['train --data-generation=dataset --raw-data-file=x --valid-fraction=.1 --valid-data-file=y', /give one of them/],
    ['train --seed=1 --numpy-rand-seed=2', /give one of them/],
    ['train --momentum=.9 --optimizer=adam', /--momentum: only with/],
    ['train --weight-decay=.9 --optimizer=ftrl', /--weight-decay: not with/],
    ['train --table-weight-decay=.9 --optimizer=ftrl', /--table-weight-decay: not with/],
    ['train --ftrl-l1=.1', /--ftrl-l1: only with/],
    ['train --wide-learning-rate=.1', /--wide-learning-rate: only with/],
    [
      'train --wide-optimizer=ftrl',
      /--wide-optimizer: the model has no wide part, its parameter groups are tables, mlp/,
    ],
    ['train --lr-plateau-factor=.1', /--lr-plateau-factor: only with/],
    ['train --loss-weights=1-2', /--loss-weights: only with/],
    ['train --loss-threshold=1', /below 1/],
    ['train --prune-span=5', /only with --prune/],
    ['train --prune-every=5', /only with --prune/],
    ['train --prune=tables:.5,all:.5', /--prune.*shares of tables, mlp, pairs/],
    ['train --prune=tables:1.5', /--prune.*a number in \[0, 1\]/],
    ['train --prune=mlp:.5,mlp:.6', /--prune.*each part once/],
    ['train --resume', /--resume: needs --checkpoint-dir/],
    ['train --checkpoint-every=5', /needs --checkpoint-dir/],
    ['train --rand-data-max=5', /only with --rand-data-dist=gaussian/],
    ['train --data-generation=synthetic --metric=auc', /--metric: only with --early-stopping/],
    ['train --lr-num-warmup-steps=5', /--lr-decay-start-step: expected at least/],
    ['train --arch-mlp-bot=4-3', /does not match the last width/],
    ['train --arch-mlp-bot=2', /at least two widths/],
    ['train --arch-mlp-top=4-2', /last width to be 1/],
    ['eval', /--load-model/],
    ['eval --load-model=x', /--raw-data-file/],
    ['predict', /--load-model/],
    ['info', /missing required argument/],
    ['frobnicate', /unknown command/],
  ]
  for (const [line, expected] of cases) {
    const { code, out, err } = await runCli(line.split(' '))
    t.equal(code, 2, line)
    t.equal(out, '', line)
    t.match(err, expected, line)
    t.equal(err.trimEnd().split('\n').length, 1, `${line}: one line`)
  }
})

t.test('other errors: one line with the code, exit code 1, a stack with DLRM_DEBUG', async t => {
  const argv = ['train', '--data-generation=dataset', '--raw-data-file=/no/such/file']
  const { code, err } = await runCli(argv)
  t.equal(code, 1)
  t.match(err, /^error \[ERR_IO\]: .*\/no\/such\/file.*\n$/)
  t.match((await runCli(argv, { env: { DLRM_DEBUG: '1' } })).err, /\n +at /)
  t.match(await runCli(['train', '--save-model=/no/such/folder/m']), {
    code: 1,
    err: /^error \[ERR_IO\]: --save-model/,
  })
  t.match(await runCli(['info', '/no/such/file']), { code: 1, err: /^error \[ERR_IO\]/ })
})

t.test('what the reference takes and has no effect here is taken, with a note', async t => {
  const { code, err } = await runCli(['train', '--num-workers', '4', '--print-precision=5', '--memory-map'])
  t.equal(code, 0)
  t.match(err, /^note: --num-workers has no effect.*\nnote: --memory-map.*\nnote: --print-precision.*\n$/)
})

t.test('boolean flags, with and without a value', async t => {
  const loss = async (...flags: string[]): Promise<string> => (await runCli(['train', ...flags])).out.split('\n')[0]!
  const rounded = await loss('--round-targets')
  t.not(rounded, await loss())
  for (const value of ['True', 'true', '1', 'yes']) t.equal(await loss(`--round-targets=${value}`), rounded)
  for (const value of ['False', '0', 'no']) t.equal(await loss(`--round-targets=${value}`), await loss())
})

t.test('print-freq and test-freq count within an epoch, as the reference does', async t => {
  const run = ['train', '--mini-batch-size=2', '--data-size=10', '--nepochs=2', '--round-targets']
  const { out } = await runCli([...run, '--print-freq=2'])
  const positions = [...out.matchAll(/it (\d)\/5 of epoch (\d)/g)].map(match => match.slice(1).join())
  t.strictSame(positions, ['2,0', '4,0', '5,0', '2,1', '4,1', '5,1'])
  const tested = (await runCli([...run, '--print-freq=100', '--test-freq=3', '--print-time'])).out
  t.strictSame(
    [...tested.matchAll(/Testing at - (\d)\/5 of epoch (\d),\n accuracy [\d.]+ %, best [\d.]+ %\n auc/g)].length,
    4,
  )
  t.match(tested, /it 3\/5 of epoch 0, \d+\.\d\d ms\/it/)
  t.notMatch(tested, /-1\.00 ms/)
})

t.test('synthetic clicks name the ceiling; a trace file is followed', async t => {
  const run = ['train', '--data-generation=synthetic', ...SMALL, '--optimizer=adagrad', '--learning-rate=0.05']
  const { code, out } = await runCli([...run, '--data-size=20000', '--json'])
  t.equal(code, 0)
  const summary = objects(out).at(-1)!
  t.match(summary, { split: 'test', steps: 313 })
  t.ok(summary.auc! > 0.6 && summary.auc! < summary.teacher_auc! + 0.02, `${summary.auc} of ${summary.teacher_auc}`)
  t.match((await runCli([...run, '--num-batches=3'])).out, /it 3\/3 [\s\S]*the planted teacher's own auc: 0\.\d{5}/)

  const dir = t.testdir({ 'dist_0.log': '0, 1, 2\n0, 1\n0.6, 1.0\n', 'dist_1.log': '1, 0\n0, 1, 2\n0.5, 0.8, 1.0\n' })
  const trace = [`--data-trace-file=${dir}/dist_j.log`, '--data-generation=synthetic', '--arch-embedding-size=4-3']
  t.match(await runCli(['train', ...trace]), { code: 0, out: /^Finished training it 1\/1/ })
  t.match(await runCli(['train', ...trace, '--arch-embedding-size=4-3-2']), { code: 1, err: /ERR_IO.*dist_2\.log/ })
})

t.test('info of bare tensors, as PyTorch saves them, and of others', async t => {
  const bare = fileURLToPath(new URL('../golden/dlrm.safetensors', import.meta.url))
  t.match((await runCli(['info', bare])).out, /bare tensors of a dlrm, [\d,]+ parameters/)
  const dir = t.testdir()
  const chunks = (): Float32Array[] => [Float32Array.of(1, 2)]
  await writeSafetensors(join(dir, 'other'), [{ name: 'w', shape: [2], chunks }], {})
  t.match(await runCli(['info', join(dir, 'other')]), { code: 0, out: /tensors, but not of a dlrm, 2 parameters/ })
  const refused = await runCli(['predict', `--load-model=${bare}`], { stdin: ['{}'] })
  t.match(refused, { code: 2, err: /has no schema/ })
})

t.test('a progress bar on a terminal, results on standard output', async t => {
  const screen = Object.assign(new PassThrough(), { isTTY: true, columns: 100 })
  let out = ''
  const write = (text: string): boolean => {
    out += text
    return true
  }
  const stdout = { write } as unknown as NodeJS.WritableStream
  const io = { stdin: process.stdin, stdout, stderr: screen, terminal: true, env: {} }
  const code = await run(['train', '--data-generation=synthetic', ...SMALL, '--data-size=4000', '--nepochs=2'], io)
  t.equal(code, 0)
  const drawn = String(screen.read())
  t.match(drawn, /epoch 1 \[.*\] 100% \| loss 0\.\d{4} \| [\d,]+ samples\/s/)
  t.match(drawn, /epoch 2 \[/)
  t.match(out, /^epoch 1, step 63: auc .*\nepoch 2, step 126: auc .*\ntest: auc/)
})

t.test('the demo tells the whole way and leaves nothing behind', async t => {
  const before = process.env.TMPDIR
  process.env.TMPDIR = t.testdir()
  t.teardown(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  const { code, out } = await runCli(['demo', '--rows=20000'])
  t.equal(code, 0)
  const auc = Number(/AUC (0\.\d{4})/.exec(out)?.[1])
  const ceiling = Number(/the ceiling, is (0\.\d{4})/.exec(out)?.[1])
  t.ok(auc > 0.55 && auc < ceiling, `${auc} of ${ceiling}`)
  t.match(out, 'bitwise as before it was saved')
  t.equal([...out.matchAll(/click probability 0\.\d{4}/g)].length, 3)
  t.strictSame(
    readdirSync(process.env.TMPDIR).filter(name => name.startsWith('dlrm')),
    [],
  )
})
