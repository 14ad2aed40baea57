/** Columns as models want them, by flags: pooled, shared, cut into buckets, of widths of their own. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadModel } from '../../lib/models/kinds.js'
import { objects, runCli } from '../support/cli.js'

t.setTimeout(600_000)

const rows = Array.from(
  { length: 200 },
  (_, i) => `${Number(i % 3 === 0)},w${i % 7},w${i % 5}|w${i % 6},s${i % 4},${(i * 7) % 60}`,
)

t.test('train, eval, predict and compare', async t => {
  const file = join(t.testdir(), 'rows.csv')
  writeFileSync(file, `y,item,seen,shop,age\n${rows.join('\n')}\n`)
  const path = join(t.testdirName, 'm.safetensors')
  const shared = [
    `--data=${file}`,
    '--label=y',
    '--dense-columns=age',
    '--separator=|',
    '--pooling-of=seen=mean,item=max',
    '--share=seen=item',
    '--buckets=age=4',
    '--mini-batch-size=32',
  ]
  const own = ['--model=wide_deep', '--embedding-dims=shop=3,age=2', '--hidden=8', `--save-model=${path}`]
  const trained = await runCli(['train', ...shared, ...own, '--json'])
  t.equal(trained.code, 0, trained.err)
  const model = await loadModel(path)
  t.match(model.config, {
    dense: 1,
    tables: [8, 8, 5],
    columns: { item: { pooling: 'max' }, seen: { pooling: 'mean', sharing: 'item' } },
    buckets: [{ name: 'age', feature: 0 }],
    embeddingDims: { shop: 3, age: 2 },
  })
  t.equal(model.schema!.inputs.buckets![0]!.boundaries.length, 3)
  t.same(model.state().get('emb.1.weight')!.shape, [5, 3])
  t.same(model.state().get('emb.2.weight')!.shape, [4, 2])

  const judged = await runCli(['eval', `--load-model=${path}`, `--raw-data-file=${file}`, '--json'])
  t.equal(judged.code, 0, judged.err)
  const predicted = await runCli(['predict', `--load-model=${path}`, file, '--json'])
  t.equal(predicted.code, 0, predicted.err)
  const names = ['item', 'seen', 'shop', 'age']
  const raw = rows.map(row =>
    Object.fromEntries(
      row
        .split(',')
        .slice(1)
        .map((cell, i) => [names[i]!, cell]),
    ),
  )
  const expected = await model.predictRows(raw)
  t.same(
    objects(predicted.out).map(({ probability }) => Math.fround(probability as number)),
    [...expected],
  )

  const told = await runCli(['info', path])
  t.match(told.out, /buckets +name age, feature 0, boundaries [\d. ]+\n/)
  t.match(
    told.out,
    /vocabulary +item seen shop: 13 rows\n +pooling +item max, seen mean\n +sharing +seen with item\n +buckets +age 4\n/,
  )

  const dlrm = [
    '--arch-interaction-op=cat',
    '--arch-mlp-top=8-1',
    '--norm=batch',
    '--dropout=0.1',
    '--embedding-std=0.01',
  ]
  const html = join(t.testdirName, 'page.html')
  const compared = await runCli([
    'compare',
    ...shared,
    '--models=dlrm,wide_deep,lr',
    '--embedding-dims=shop=3',
    ...dlrm,
    `--html=${html}`,
    '--json',
  ])
  t.equal(compared.code, 0, compared.err)

  const wrong: [string[], RegExp][] = [
    [['--model=deepfm', '--embedding-dims=shop=3'], /--embedding-dims: deepfm has no such option/],
    [['--model=wide_deep', '--embedding-dims=shop'], /Expected integers >= 1 by column, as a flag C1=32,C2=4/],
    [['--embedding-dims=shop=3'], /\[dlrm\] embeddingDims: shop: only with interaction cat/],
    [['--hidden=8'], /--hidden: dlrm has no such option/],
    [['--dropout=1'], /Expected a number in \[0, 0.99\]/],
    [['--share=item'], /--share.*Expected column=value, between commas/],
    [['--share=item=shop,item=seen'], /Expected each column once, item is there twice/],
    [['--share=item=nobody'], /item: sharing: expected the name of a categorical column/],
    [['--pooling-of=item=median'], /Expected sum or mean or max/],
    [['--buckets=age=1'], /Expected an integer >= 2/],
    [['--buckets=shop=3'], /buckets: "shop" is none of the columns age/],
    [[`--load-model=${path}`], /--pooling-of: the model of --load-model has its own/],
  ]
  for (const [flags, message] of wrong) {
    const { code, err } = await runCli(['train', ...shared, ...flags])
    t.not(code, 0, flags.join(' '))
    t.match(err, message)
  }
})
