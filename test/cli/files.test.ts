import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { writeCriteo } from '../../lib/data/write_criteo.js'
import { openSafetensors } from '../../lib/format/safetensors.js'
import { objects, runCli } from '../support/cli.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const SMALL = ['--arch-sparse-feature-size=4', '--arch-mlp-bot=13-8-4', '--arch-mlp-top=8-1', '--mini-batch-size=64']
const files = ['train', '--data-generation=dataset', ...SMALL, '--optimizer=adagrad', '--learning-rate=0.05']

/** A Criteo file of 4,000 lines, with a bad one in the middle when asked. */
function criteo(t: Test, options: { bad?: boolean } = {}): string {
  const path = join(t.testdir(), 'train.txt')
  writeCriteo(path, { rows: 4000, seed: 3 })
  if (options.bad) {
    const lines = readFileSync(path, 'utf8').split('\n')
    lines[1000] = '1\tthis is no line'
    writeFileSync(path, lines.join('\n'))
  }
  return path
}

t.test('train, eval, predict and info on Criteo lines', async t => {
  const file = criteo(t, { bad: true })
  const model = join(t.testdirName, 'm.safetensors')
  const trained = await runCli([
    ...files,
    `--raw-data-file=${file}`,
    `--test-data-file=${file}`,
    `--save-model=${model}`,
    '--json',
  ])
  t.equal(trained.code, 0)
  t.match(trained.err, /note: malformed lines passed over in train: 1 /)
  const events = objects(trained.out)
  t.match(events[0], { event: 'step', step: 57, epoch: 0, loss: Number })
  t.match(events[1], { event: 'validation', auc: Number, logloss: Number, normalized_entropy: Number, samples: Number })
  const summary = events.at(-1)!
  t.match(summary, { event: 'summary', split: 'test', steps: 57, skipped_lines: 1, saved_to: model })
  t.ok(summary.auc! > 0.6 && summary.auc! < 0.9, `auc ${summary.auc}`)
  t.ok(summary.samples_per_second! > 0 && summary.train_seconds! > 0)

  const judged = await runCli(['eval', `--load-model=${model}`, `--raw-data-file=${file}`, '--json'])
  t.match(objects(judged.out)[0], { auc: summary.auc, logloss: summary.logloss, skipped_lines: 1 })
  const again = await runCli([
    'train',
    '--data-generation=dataset',
    `--raw-data-file=${file}`,
    `--load-model=${model}`,
    '--inference-only',
    '--json',
    '--valid-fraction=0',
  ])
  t.match(objects(again.out)[0], { event: 'summary', auc: summary.auc, steps: 0, samples_per_second: null })
  t.match(await runCli(['train', `--load-model=${model}`, '--arch-mlp-top=2-1']), {
    code: 2,
    err: /--arch-mlp-top: the model of/,
  })

  const shown = (await runCli(['info', model])).out
  t.match(shown, /: dlrm, [\d,]+ parameters in 34 tensors of [\d,]+ bytes\n/)
  for (const word of ['embeddingDim       4', 'I1 I2 I3', 'vocabulary', 'emb_l.25.weight']) t.match(shown, word)
  const json = JSON.parse((await runCli(['info', model, '--json'])).out)
  t.match(json, { kind: 'dlrm', config: { dense: 13, embeddingDim: 4 }, schema: { label: 'label' } })
  await predictions(t, file, model)
})

/** Every way to say a row gives the same probability. */
async function predictions(t: Test, file: string, model: string): Promise<void> {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, 5)
  const load = `--load-model=${model}`
  const expected = (await runCli(['predict', load, '-'], { stdin: [`${lines.join('\n')}\n`] })).out
  t.match(expected, /^(0\.\d+\n){5}$/)
  const unlabelled = lines.map(line => line.slice(line.indexOf('\t') + 1))
  const crlf = [unlabelled.slice(0, 2).join('\r\n'), `\r\n${unlabelled.slice(2).join('\r\n')}`]
  t.equal(
    (await runCli(['predict', load], { stdin: crlf })).out,
    expected,
    'without label, cut anywhere, without last line end',
  )

  const names = [
    ...Array.from({ length: 13 }, (_, i) => `I${i + 1}`),
    ...Array.from({ length: 26 }, (_, i) => `C${i + 1}`),
  ]
  const rows = unlabelled.map(line => Object.fromEntries(line.split('\t').map((cell, i) => [names[i]!, cell])))
  const jsonl = rows.map(row => JSON.stringify(row)).join('\n')
  t.equal((await runCli(['predict', load], { stdin: [jsonl] })).out, expected, 'JSON lines')
  const order = [...names].reverse()
  const csv = [order, ...rows.map(row => order.map(name => row[name]))].map(cells => cells.join(';')).join('\n')
  t.equal((await runCli(['predict', load, '--delimiter=;'], { stdin: [csv] })).out, expected, 'CSV in another order')

  const all = await runCli(['predict', load, file, '--on-bad-line=skip', '--json'])
  const values = objects(all.out)
  t.equal(values.length, 4000)
  t.strictSame(values[1000], { probability: null })
  t.match(all.err, /malformed lines: 1/)
  t.match(await runCli(['predict', load, file]), { code: 1, err: /^error \[ERR_DATA\]: .*train\.txt:1001: / })
  for (const [stdin, fault] of [
    ['{"I1": ', /not JSON/],
    ['[1]\n', /no column/],
    ['{"I1": "x"}', /I1/],
    ['a,b\n1,2\n', /no column "I1"/],
  ] as const) {
    t.match(await runCli(['predict', load], { stdin: [stdin] }), { code: 1, err: fault })
  }
}

t.test('CSV of ids without dense columns: no bottom MLP, early stopping, hashing', async t => {
  const dir = t.testdir()
  const path = join(dir, 'rows.csv')
  const lines = Array.from({ length: 2000 }, (_, i) => {
    const [a, b] = [(i * 7919) % 13, (i * 104729) % 11]
    return `${(a * b) % 3 === 0 ? 1 : 0},a${a},b${b}`
  })
  writeFileSync(path, `clicked,x,y\n${lines.join('\n')}\n`)
  const base = [
    'train',
    '--data-generation=dataset',
    '--data-set=csv',
    `--raw-data-file=${path}`,
    '--label=clicked',
    '--json',
  ]
  const model = join(dir, 'm.safetensors')
  const shape = [
    '--arch-sparse-feature-size=4',
    '--arch-mlp-top=8-1',
    '--optimizer=adam',
    '--learning-rate=0.01',
    '--mini-batch-size=32',
  ]
  const result = await runCli([
    ...base,
    ...shape,
    '--nepochs=50',
    '--early-stopping=2',
    '--metric=logloss',
    `--save-model=${model}`,
  ])
  t.equal(result.code, 0)
  const events = objects(result.out)
  const summary = events.at(-1)!
  t.ok(summary.auc! > 0.95, `auc ${summary.auc}`)
  const best = events.find(event => event.event === ('validation' as never) && event.step === summary.best_step)
  t.equal(best?.logloss, summary.logloss)
  t.match((await runCli(['info', model])).out, /bottom +none/)
  t.match(await runCli(['predict', `--load-model=${model}`], { stdin: ['y,x\nb1,a3\n'] }), {
    code: 0,
    out: /^0\.\d+\n$/,
  })
  const hashed = await runCli([...base, ...shape, '--hash-size=50', `--save-model=${model}`])
  t.equal(hashed.code, 0)
  t.match((await runCli(['info', model])).out, /hash +x y: 100 rows/)
  const minutes = join(dir, 'minutes.csv')
  writeFileSync(minutes, `clicked,x,y,minutes\n${lines.map((line, i) => `${line},${i % 5}`).join('\n')}\n`)
  const files = base.map(flag => flag.replace(path, minutes))
  const run = await runCli([...files, ...shape, '--weight-column=minutes', `--save-model=${model}`])
  t.equal(run.code, 0)
  t.match((await runCli(['info', model])).out, /weight +minutes\n(.*\n)+ +vocabulary +x y: 26 rows/)
  t.match(
    (await runCli(['eval', `--load-model=${model}`, `--raw-data-file=${path}`, '--json'])).code,
    0,
    'without them',
  )
  t.match(await runCli([...base, '--arch-mlp-bot=3-2']), { code: 2, err: /no dense columns/ })
  t.match(await runCli([...base, '--valid-fraction=0', '--early-stopping=1']), {
    code: 2,
    err: /needs validation data/,
  })
})

t.test('a run that was stopped goes on from its checkpoint to the same model', async t => {
  const file = criteo(t)
  const model = (name: string): string => join(t.testdirName, name)
  const run = [...files, `--raw-data-file=${file}`, '--nepochs=2', '--json', '--print-freq=1']
  const whole = await runCli([...run, `--save-model=${model('whole')}`])
  t.equal(whole.code, 0)
  const checkpoints = [
    `--checkpoint-dir=${model('checkpoints')}`,
    '--checkpoint-every=40',
    `--save-model=${model('part')}`,
  ]
  const child = spawn(process.execPath, [...process.execArgv, join(root, 'lib/cli/main.ts'), ...run, ...checkpoints], {
    cwd: root,
  })
  let seen = ''
  let told = false
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk
    if (!told && seen.includes('"step":60,')) told = child.kill('SIGINT')
  })
  const [status] = await once(child, 'close')
  t.equal(status, 130)
  const summary = objects(seen).at(-1)!
  t.match(summary, { event: 'summary', auc: null, saved_to: model('part') })
  t.ok(summary.steps! >= 60 && summary.steps! < 114, `stopped at ${summary.steps}`)
  t.ok(existsSync(model('part')))
  const resumed = await runCli([...run, ...checkpoints, '--resume'])
  t.equal(resumed.code, 0)
  t.match(objects(resumed.out)[0], { step: summary.steps! + 1 })
  for (const [name, data] of await tensors(model('whole')))
    t.strictSame((await tensors(model('part'))).get(name), data, name)
})

async function tensors(path: string): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(path)
  const all = new Map<string, Float32Array>()
  for (const name of file.tensors.keys()) all.set(name, await file.read(name))
  await file.close()
  return all
}
