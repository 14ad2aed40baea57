import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { commandLine } from '../../lib/cli/command_line.js'
import { readEntries } from '../../lib/cli/entries.js'
import { writeCriteo } from '../../lib/data/write_criteo.js'
import { objects, runCli } from '../support/cli.js'

const TINY = { 'arch-sparse-feature-size': 4, 'arch-mlp-bot': '13-8-4', 'arch-mlp-top': '8-1' }
const SMALL = ['--data-size=4000', '--mini-batch-size=64', '--arch-embedding-size=50-20']

function settings(t: Test, json: unknown): string {
  const path = join(t.testdir(), 'settings.json')
  writeFileSync(path, typeof json === 'string' ? json : JSON.stringify(json))
  return `--settings=${path}`
}

t.test('entries side by side: a line per run, one per model, a page, and the same figures as dlrm train', async t => {
  const file = settings(t, {
    '*': { ...TINY, optimizer: 'adagrad', 'learning-rate': 0.05, nepochs: 9 },
    dot: { model: 'dlrm' },
    '<cat>': { model: 'dlrm', 'arch-interaction-op': 'cat', 'learning-rate': 0.04 },
  })
  const page = join(t.testdirName, 'report.html')
  const { code, out, err } = await runCli([
    'compare',
    file,
    ...SMALL,
    '--nepochs=2',
    '--seeds=2',
    '--json',
    `--html=${page}`,
  ])
  t.equal(code, 0, err)
  const events = objects(out)
  const runs = events.filter(event => String(event.event) === 'run')
  t.match(
    runs.map(({ name, seed, epochs }) => ({ name, seed, epochs })),
    [
      { name: 'dot', seed: 123, epochs: 2 },
      { name: '<cat>', seed: 123, epochs: 2 },
      { name: 'dot', seed: 124, epochs: 2 },
      { name: '<cat>', seed: 124, epochs: 2 },
    ],
  )
  const models = events.filter(event => String(event.event) === 'model')
  t.match(models, [
    { name: 'dot', seeds: 2, error: null },
    { name: '<cat>', seeds: 2 },
  ])
  const [a, b] = [runs[0]!.auc!, runs[2]!.auc!]
  t.equal(models[0]!.auc, (a + b) / 2)
  t.ok(Math.abs(models[0]!.auc_deviation! - Math.abs(a - b) / Math.SQRT2) < 1e-12)
  t.not(a, b, 'another seed is another model')
  t.ok(a > 0.6, `auc ${a}`)

  const alone = commandOf(readFileSync(page, 'utf8'), 1)
  t.match(alone, '--arch-interaction-op=cat')
  const summary = objects((await runCli([...alone.split(' ').slice(1), '--json'])).out).at(-1)!
  t.match(summary, { auc: runs[1]!.auc, logloss: runs[1]!.logloss }, 'the command on the page repeats the first seed')
})

/** The command of one model alone, as the page shows it. */
function commandOf(html: string, index: number): string {
  const commands = [...html.matchAll(/<pre>(dlrm train [^<]*)<\/pre>/g)].map(match => match[1]!)
  return commands[index]!.replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
}

t.test('the page is one file with nothing from elsewhere, every text escaped', async t => {
  const file = settings(t, {
    '<script>alert(1)</script>': { model: 'dlrm', ...TINY },
    'b & "c"': { model: 'dlrm', ...TINY },
  })
  const page = join(t.testdirName, 'page.html')
  const { code } = await runCli(['compare', file, ...SMALL, '--test-freq=20', `--html=${page}`])
  t.equal(code, 0)
  const html = readFileSync(page, 'utf8')
  t.notMatch(html, /<script|<link|<img|https?:|url\((?!#clip)/)
  t.match(html, '&#60;script&#62;alert(1)&#60;/script&#62;')
  t.match(html, 'b &#38; &#34;c&#34;')
  t.equal(html.match(/<svg/g)!.length, 5)
  t.equal(html.match(/<\/svg>/g)!.length, 5)
  t.notMatch(html, /NaN|undefined|Infinity/)
  for (const title of ['test AUC', 'Validation AUC by step', 'Validation AUC by seconds', 'Training loss by step']) {
    t.match(html, title)
  }
  t.match(html, 'dlrm compare --settings=')
})

t.test('a run that fails is told and ends its model only', async t => {
  const file = settings(t, {
    wild: { model: 'dlrm', ...TINY, 'learning-rate': 1e30 },
    calm: { model: 'dlrm', ...TINY },
  })
  const page = join(t.testdirName, 'page.html')
  const { code, out, err } = await runCli(['compare', file, ...SMALL, '--seeds=2', `--html=${page}`])
  t.equal(code, 1)
  t.match(err, /^wild, seed 123 failed: .*\ncalm, seed 123: auc/)
  t.notMatch(err, 'wild, seed 124')
  t.match(
    out,
    /^model +test AUC +logloss +seeds +parameters +samples\/s +seconds\nwild +n\/a +n\/a +0 .*\ncalm +0\.\d+ ± 0\.\d+ /,
  )
  t.match(readFileSync(page, 'utf8'), 'failed: ')
})

t.test('--data guesses the format, for train too', async t => {
  const criteo = join(t.testdir(), 'lines.txt')
  writeCriteo(criteo, { rows: 1500, seed: 3 })
  const csv = join(t.testdirName, 'rows.csv')
  writeFileSync(csv, `label,a,b\n${Array.from({ length: 600 }, (_, i) => `${i % 2},${i % 2},${i % 7}`).join('\n')}\n`)
  const flags = ['--arch-sparse-feature-size=4', '--arch-mlp-top=8-1', '--mini-batch-size=32', '--min-count=1']
  const fromLines = await runCli(['compare', '--models=dlrm', `--data=${criteo}`, ...flags, '--arch-mlp-bot=13-8-4'])
  t.equal(fromLines.code, 0, fromLines.err)
  const fromCsv = await runCli([
    'train',
    `--data=${csv}`,
    ...flags,
    '--nepochs=5',
    '--optimizer=adam',
    '--learning-rate=0.05',
    '--json',
  ])
  t.equal(fromCsv.code, 0, fromCsv.err)
  t.ok(objects(fromCsv.out).at(-1)!.auc! > 0.99)

  const { entries } = await readEntries({ models: ['dlrm'], data: csv })
  t.equal(
    entries[0]!.command,
    `dlrm train --model=dlrm --data-generation=dataset --data-set=csv --raw-data-file=${csv}`,
  )

  const jsonl = join(t.testdirName, 'rows.jsonl')
  writeFileSync(jsonl, '{"label": 1}\n')
  for (const [line, expected] of [
    [`--data=${jsonl}`, /expected Criteo lines or CSV/],
    [`--data=${csv} --raw-data-file=${csv}`, /--data and --raw-data-file: give one/],
    [`--data=${csv} --data-generation=synthetic`, /--data and --data-generation=synthetic: give one/],
  ] as const) {
    t.match(await runCli(['train', ...line.split(' ')]), { code: 2, err: expected })
  }
  t.match(await runCli(['train', '--data=/no/such/file']), { code: 1, err: /--data=\/no\/such\/file/ })
})

t.test('wrong entries and flags are told with their place, before any training', async t => {
  const cases: [unknown, string, RegExp][] = [
    [undefined, '', /--models: is needed/],
    [undefined, '--models=dlrm,dlrm', /dlrm is there twice/],
    [undefined, '--models=dlrm,nonsense', /--model=nonsense: expected/],
    [undefined, '--models=dlrm --data-generation=random', /expected synthetic or dataset/],
    [undefined, '--models=dlrm --save-model=x', /unknown option '--save-model/],
    [undefined, '--models=dlrm --arch-mlp-bot=13-8-5', /--arch-mlp-bot=13-8-5/],
    [undefined, '--models=dlrm --model-options={}', /--model-options: no such option in dlrm/],
    ['{', '', /--settings=.*: .*JSON/],
    [[], '', /expected an object of entries/],
    [{ a: 3 }, '', /"a": expected an object of flags/],
    [{ a: { model: 3 } }, '', /"a": model: expected the kind/],
    [{ '*': { model: 'dlrm' } }, '', /model: expected the kind of one entry/],
    [{ a: { model: 'dlrm', 'data-size': 3 } }, '', /"a": "data-size" is no flag of a model or its training/],
    [{ a: { model: 'dlrm', 'learning-rate': 'fast' } }, '', /"a": learning-rate: fast is invalid. Expected a number/],
    [{ a: { model: 'dlrm', momentum: 0.9, optimizer: 'adam' } }, '', /a: --momentum: only with/],
    [{ a: { model: 'dlrm', 'model-options': {} } }, '', /a: dlrm has no option modelOptions/],
  ]
  for (const [json, line, expected] of cases) {
    const file = json === undefined ? [] : [settings(t, json)]
    const { code, out, err } = await runCli(['compare', ...file, ...line.split(' ').filter(Boolean)])
    t.equal(code, 2, err)
    t.equal(out, '')
    t.match(err, expected)
  }
  t.match(await runCli(['compare', '--settings=/no/such.json']), { code: 1, err: /ERR_IO/ })
  t.match(await runCli(['compare', '--models=dlrm', '--html=/no/such/page.html']), { code: 1, err: /--html=/ })
})

t.test('flags: the command line wins over an entry, an entry over "*"', async t => {
  const file = settings(t, {
    '*': { optimizer: 'adam', 'learning-rate': 0.5, 'data-size': 777 },
    a: { model: 'dlrm', 'learning-rate': 0.25 },
    b: { model: 'dlrm' },
  })
  const flags = { settings: file.slice('--settings='.length), models: ['b', 'a'] }
  const first = await readEntries(flags)
  t.same(
    first.entries.map(({ name, settings: { learningRate, optimizer } }) => [name, learningRate, optimizer]),
    [
      ['b', 0.5, 'adam'],
      ['a', 0.25, 'adam'],
    ],
  )
  t.match(first.shared, { dataSize: 777, dataGeneration: 'synthetic' })
  const second = await readEntries({ ...flags, learningRate: 0.125 })
  t.same(
    second.entries.map(entry => entry.settings.learningRate),
    [0.125, 0.125],
  )
  t.equal(
    commandLine('train', { a: true, someFlag: [4, 2], names: ['x', 'y z'], pairs: [['a', 'b']], none: [] }),
    "dlrm train --a --some-flag=4-2 --names='x,y z' --pairs=a:b --none=none",
  )
})

t.test('a signal leaves the runs that were finished', async t => {
  const page = join(t.testdir(), 'page.html')
  const file = settings(t, { a: { model: 'dlrm', ...TINY }, b: { model: 'dlrm', ...TINY, nepochs: 1000 } })
  const interrupt = setTimeout(() => t.fail('never began'), 60_000)
  const { code, out, err } = await runCli(['compare', file, ...SMALL, '--seeds=2', `--html=${page}`], {
    onErr: text => {
      if (!text.startsWith('a, seed 123')) return
      clearTimeout(interrupt)
      setTimeout(() => process.kill(process.pid, 'SIGINT'), 50)
    },
  })
  t.equal(code, 130)
  t.match(err, 'stopped: these are the runs')
  t.match(out, /\na +0\.\d+ .*\nb +n\/a/)
  t.match(readFileSync(page, 'utf8'), 'Stopped early')
  t.ok(existsSync(page))
})
