import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { criteoRow, openCriteo } from '../../lib/data/criteo.js'
import { type CsvOptions, openCsv } from '../../lib/data/csv.js'
import { Schema } from '../../lib/data/schema.js'
import type { BatchOptions, DataSource, Located } from '../../lib/data/source.js'

// A reading thread takes a second to start under tap's TypeScript loader, and many seconds on a busy machine.
t.setTimeout(600_000)
t.jobs = 4

const shared = process.env.DLRM_DATA ?? fileURLToPath(new URL('../../../shared/data', import.meta.url))

async function all(source: DataSource, options: BatchOptions): Promise<Located[]> {
  const out: Located[] = []
  for await (const each of source.batches(options)) out.push(each)
  return out
}

/** Every row as a string, in the order they came. */
async function rowsOf(source: DataSource, options: BatchOptions): Promise<string[]> {
  return (await all(source, options)).flatMap(({ batch }) => {
    return Array.from({ length: batch.size }, (_, b) => {
      const d = batch.dense!.length / batch.size
      const bags = batch.tables.map(({ offsets, indices }) =>
        indices.slice(Number(offsets[b]), Number(offsets[b + 1])).join('+'),
      )
      return [batch.labels![b], ...batch.dense!.subarray(b * d, (b + 1) * d), ...bags].join(',')
    })
  })
}

/** Criteo lines that tell their number: I1 is it, C1 too. */
function lines(from: number, to: number, end = '\n'): string {
  let text = ''
  for (let i = from; i < to; i++) {
    const integers = Array.from({ length: 13 }, (_, k) => (k === 0 ? i : (i * k) % 7 === 3 ? '' : (i * k) % 50))
    const categories = Array.from({ length: 26 }, (_, k) => {
      return k === 0
        ? i.toString(16).padStart(8, '0')
        : (i + k) % 9 === 4
          ? ''
          : ((i * k) % 40).toString(16).padStart(8, '0')
    })
    text += [i % 3 === 0 ? 1 : 0, ...integers, ...categories].join('\t') + end
  }
  return text
}

/** The row numbers of batches of such lines. */
async function numbers(source: DataSource, options: BatchOptions): Promise<number[]> {
  return (await all(source, options)).flatMap(({ batch }) => Array.from(batch.tables[0]!.indices, Number))
}

const ascending = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i)

t.test('a Criteo line, value by value', async t => {
  const path = join(t.testdir({}), 'train.txt')
  const one = '1\t1\t-2\t\t0\t1382\t4\t15\t2\t181\t1\t2\t\t65536\t'
  const hex = ['68fd1e64', '', 'fb936136', 'FFFFFFFF', ...Array<string>(22).fill('00000065')]
  writeFileSync(path, `${one}${hex.join('\t')}\n${one}${hex.join('\t')}\r\n\n\r\n${one}${hex.join('\t')}`)
  const data = await openCriteo(path, { hashSize: 100, validFraction: 0, onBadLine: 'error' })
  const [{ batch }] = (await all(data.train, { batchSize: 10 })) as [Located]
  t.equal(batch.size, 3, 'line ends of both kinds, empty lines, no line end at the end')
  const f = Math.fround
  const logs = [1, 0, 0, 0, 1382, 4, 15, 2, 181, 1, 2, 0, 65536].map(x => f(Math.log(x + 1)))
  const indices = [0x68fd1e64 % 100, 0, 0xfb936136 % 100, 0xffffffff % 100, ...Array<number>(22).fill(0x65 % 100)]
  for (let b = 0; b < 3; b++) {
    t.strictSame([...batch.dense!.subarray(13 * b, 13 * b + 13)], logs)
    t.strictSame(
      batch.tables.map(table => table.indices[b]),
      indices,
    )
  }
  t.strictSame([...batch.labels!], [1, 1, 1])
  t.strictSame([...batch.tables[25]!.offsets], [0, 1, 2, 3])
  const row = criteoRow(`${one}${hex.join('\t')}\n`)
  const encoded = data.schema.encodeRows([row, row, criteoRow(lines(0, 1).slice(2)), {}])
  t.strictSame([...encoded.dense!.subarray(0, 13)], logs, 'encodeRows agrees')
  t.strictSame(
    encoded.tables.map(table => table.indices[1]),
    indices,
  )
  t.equal(encoded.labels, undefined)
  t.throws(() => criteoRow('1\t2'), { code: 'ERR_DATA' })
  await data.close()
})

t.test('vocabulary with a threshold, of the training split alone', async t => {
  const path = join(t.testdir({}), 'train.txt')
  writeFileSync(path, lines(0, 400))
  const data = await openCriteo(path, { minCount: 4, validFraction: 0.5, shuffleMemory: 64 * 1024 })
  const [c1, c2] = data.schema.categorical
  t.match(c1, { encode: 'vocabulary', size: 1, values: [], minCount: 4 }, 'all rare')
  t.ok(c2?.encode === 'vocabulary' && c2.values.length > 0 && c2.size === c2.values.length + 1)
  const seen = new Map<string, number>()
  const trained = data.train.size!
  for (const line of lines(0, trained).trimEnd().split('\n')) {
    const value = criteoRow(line).C2!
    if (value !== '') seen.set(value, (seen.get(value) ?? 0) + 1)
  }
  const kept = [...seen].filter(([, n]) => n >= 4).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  t.strictSame(
    c2?.encode === 'vocabulary' && c2.values,
    kept.map(([value]) => value),
    'most frequent first',
  )
  const got = await rowsOf(data.valid!, { batchSize: 64 })
  const raw = lines(trained, 400).trimEnd().split('\n').map(criteoRow)
  t.equal(got.length, 400 - trained)
  const encoded = data.schema.encodeRows(raw)
  t.strictSame(
    got.map(row => row.split(',').slice(14)),
    raw.map((_, b) => encoded.tables.map(table => String(table.indices[b]))),
  )
  const again = await openCriteo(path, {
    schema: Schema.fromJSON(JSON.parse(JSON.stringify(data.schema))),
    validFraction: 0.5,
  })
  t.strictSame(await rowsOf(again.valid!, { batchSize: 7 }), got, 'the saved schema reads the same')
  await data.close()
  await again.close()
})

t.test('splits, shuffling and resuming, larger than the memory bound', async t => {
  const path = join(t.testdir({}), 'train.txt')
  const n = 4000
  writeFileSync(path, lines(0, n))
  const data = await openCriteo(path, { hashSize: 1 << 20, validFraction: 0.2, shuffleMemory: 64 * 1024 })
  const { train, valid } = data
  const trained = (await numbers(train, { batchSize: 100 })).length
  t.ok(Math.abs(trained - 0.8 * n) < 50, `${trained} of ${n} rows`)
  t.equal(train.size, trained)
  t.ok(Math.abs(train.estimatedSize! - trained) < 0.05 * n)
  t.strictSame(await numbers(train, { batchSize: 128 }), ascending(trained), 'in order, each once')
  t.strictSame(await numbers(valid!, { batchSize: 77 }), ascending(n - trained, trained))

  const shuffled: BatchOptions = { batchSize: 90, shuffle: true, seed: 3, epoch: 2 }
  const order = await numbers(train, shuffled)
  t.not(order.join(), ascending(trained).join())
  t.strictSame(
    [...order].sort((a, b) => a - b),
    ascending(trained),
    'each once',
  )
  t.strictSame(await numbers(train, { ...shuffled, batchSize: 33 }), order, 'whatever the batch size')
  const distance = order.reduce((sum, x, i) => sum + Math.abs(x - i), 0) / trained
  t.ok(distance > trained / 5, `rows move ${Math.round(distance)} places on average`)
  for (const other of [{ seed: 4 }, { epoch: 3 }]) {
    t.not((await numbers(train, { ...shuffled, ...other })).join(), order.join(), JSON.stringify(other))
  }

  for (const options of [shuffled, { batchSize: 90 }, { batchSize: 700 }]) {
    const whole = await all(train, options)
    for (const k of [0, 1, 5, whole.length - 2, whole.length - 1]) {
      if (k >= whole.length) continue
      const from = JSON.parse(JSON.stringify(whole[k]!.next))
      t.strictSame(
        await all(train, { ...options, from }),
        whole.slice(k + 1),
        `resumed after batch ${k} of ${whole.length}`,
      )
    }
  }
  const [{ next }] = (await all(train, shuffled)) as [Located]
  for (const wrong of [{ ...shuffled, seed: 9 }, { ...shuffled, epoch: 0 }, { batchSize: 90 }]) {
    await t.rejects(all(train, { ...wrong, from: next }), {
      code: 'ERR_ARGUMENT',
      message: /from: not a position of this pass/,
    })
  }
  await t.rejects(all(valid!, { ...shuffled, from: next }), { code: 'ERR_ARGUMENT' }, 'of another split')
  await t.rejects(all(train, { ...shuffled, from: { ...next, row: -1 } }), { code: 'ERR_ARGUMENT' })
  await data.close()
})

t.test('one group: shuffled as a whole, kept for the next epoch, read again when the file changes', async t => {
  const path = join(t.testdir({}), 'train.txt')
  writeFileSync(path, `${lines(0, 1000)}broken\n`)
  const data = await openCriteo(path, { hashSize: 1 << 20, validFraction: 0 })
  const first = await numbers(data.train, { batchSize: 64, shuffle: true })
  t.strictSame(
    [...first].sort((a, b) => a - b),
    ascending(1000),
  )
  t.equal(data.train.skipped, 1)
  const second = await numbers(data.train, { batchSize: 64, shuffle: true, epoch: 1 })
  t.not(second.join(), first.join())
  t.equal(data.train.skipped, 1, 'of one pass, though the rows were kept')
  t.strictSame(await numbers(data.train, { batchSize: 64, shuffle: true }), first)
  const whole = await all(data.train, { batchSize: 64, shuffle: true })
  t.strictSame(await all(data.train, { batchSize: 64, shuffle: true, from: whole[7]!.next }), whole.slice(8))
  appendFileSync(path, lines(0, 5))
  t.strictSame(await numbers(data.train, { batchSize: 64, shuffle: true }), first, 'a file may grow')
  writeFileSync(path, `${lines(1000, 2100)}`)
  t.equal(Math.min(...(await numbers(data.train, { batchSize: 64 }))), 1000, 'other content is seen')
  await data.close()
})

t.test('malformed lines are skipped and counted, or stopped at', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'train.txt')
  const bad = ['garbage', lines(9, 10).trimEnd().replace('\t', '\tx'), lines(9, 10).slice(1).trimEnd()]
  writeFileSync(path, bad.map((line, i) => `${lines(i, i + 1)}${line}\n`).join(''))
  const commas = join(folder, 'commas.txt')
  writeFileSync(commas, lines(0, 50).replaceAll('\t', ','))
  const data = await openCriteo(path, { hashSize: 1 << 20, validFraction: 0, testFile: commas })
  t.strictSame(await numbers(data.train, { batchSize: 2 }), [0, 1, 2], 'the good ones are untouched')
  t.equal(data.train.skipped, 3)
  t.strictSame(data.train.skippedBy, { 'too few columns': 1, 'not a number': 1, 'bad label': 1 })
  await t.rejects(all(data.test!, { batchSize: 4 }), {
    code: 'ERR_DATA',
    message: /no line could be read: 50 x too few columns/,
  })
  t.strictSame(await numbers(data.train, { batchSize: 2 }), [0, 1, 2], 'an error does not end the thread')
  await data.close()
  await t.rejects(openCriteo(commas), { code: 'ERR_DATA', message: /no line could be read/ })

  writeFileSync(path, `${lines(0, 3000)}${bad[1]}\n${lines(0, 3)}`)
  const strict = await openCriteo(path, {
    hashSize: 10,
    validFraction: 0,
    onBadLine: 'error',
    shuffleMemory: 64 * 1024,
  })
  await t.rejects(all(strict.train, { batchSize: 2, shuffle: true }), {
    code: 'ERR_DATA',
    message: `${path}:3001: column I1: not a number`,
  })
  await strict.close()
  await t.rejects(openCriteo(path, { onBadLine: 'error', validFraction: 0 }), { code: 'ERR_DATA', message: /:3001:/ })
})

t.test('files that are not there, vanish or shrink', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'train.txt')
  await t.rejects(openCriteo(path, { hashSize: 10 }), { code: 'ERR_IO', message: /train\.txt/ })
  await t.rejects(openCriteo(folder, { hashSize: 10 }), { code: 'ERR_IO' })
  await t.rejects(openCriteo(undefined as never, { hashSize: 10 }), { code: 'ERR_ARGUMENT' })
  writeFileSync(path, '')
  await t.rejects(openCriteo(path, { hashSize: 10 }), { code: 'ERR_DATA', message: /has no rows/ })

  writeFileSync(path, lines(0, 40_000))
  const data = await openCriteo(path, { hashSize: 1 << 20, validFraction: 0, shuffleMemory: 64 * 1024 })
  let read = 0
  const reading = (async () => {
    for await (const { batch } of data.train.batches({ batchSize: 100, shuffle: true })) {
      read += batch.size
      if (read === 100) truncateSync(path, 1000)
    }
  })()
  await t.rejects(reading, { code: 'ERR_IO', message: /shrank while it was read/ })
  t.ok(read < 40_000)
  await t.rejects(all(data.train, { batchSize: 100 }), { code: 'ERR_IO', message: /shrank/ })
  rmSync(path)
  await t.rejects(all(data.train, { batchSize: 100 }), { code: 'ERR_IO', message: /cannot open/ })
  writeFileSync(path, lines(0, 40_000))
  t.equal((await numbers(data.train, { batchSize: 5000 })).length, 40_000, 'and it works again when the file is back')
  await data.close()
})

t.test('breaking off, reading twice at once, closing', async t => {
  const path = join(t.testdir({}), 'train.txt')
  writeFileSync(path, lines(0, 3000))
  const data = await openCriteo(path, { hashSize: 1 << 20, validFraction: 0, shuffleMemory: 64 * 1024 })
  for (let i = 0; i < 5; i++) {
    for await (const { batch } of data.train.batches({ batchSize: 10 })) {
      t.equal(batch.tables[0]!.indices[0], 0)
      break
    }
  }
  const [a, b] = await Promise.all([
    numbers(data.train, { batchSize: 10 }),
    numbers(data.train, { batchSize: 512, shuffle: true }),
  ])
  t.strictSame(a, ascending(3000))
  t.strictSame(
    b.sort((x, y) => x - y),
    ascending(3000),
  )
  const iterator = data.train.batches({ batchSize: 10 })[Symbol.asyncIterator]()
  await iterator.next()
  await data.close()
  await t.rejects(
    async () => {
      for (;;) if ((await iterator.next()).done) break
    },
    { code: 'ERR_STATE', message: /closed/ },
  )
  await t.rejects(all(data.train, { batchSize: 10 }), { code: 'ERR_STATE', message: /closed/ })
  await data.close()
})

t.test('a process that forgets to close ends', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'train.txt')
  writeFileSync(path, lines(0, 5000))
  const module = new URL('../../lib/data/criteo.js', import.meta.url).href
  const script = join(folder, 'forget.mts')
  writeFileSync(
    script,
    `import { openCriteo } from ${JSON.stringify(module)}
     const data = await openCriteo(${JSON.stringify(path)}, { hashSize: 10, shuffleMemory: 65536 })
     const iterator = data.train.batches({ batchSize: 10 })[Symbol.asyncIterator]()
     await iterator.next()
     for await (const { batch } of data.valid!.batches({ batchSize: 10 })) break
     console.log('read')`,
  )
  const { stdout, stderr, status } = spawnSync(process.execPath, [...process.execArgv, script], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  t.equal(stdout, 'read\n', stderr)
  t.equal(status, 0)
})

t.test('CSV', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'train.csv')
  writeFileSync(
    path,
    '\ufeff"y",price,"the ""colour""",tags,id,note\r\n' +
      '1,2.5,red,a|b,3,x\r\n' +
      '0,,"dark, ""deep"" blue",b,0,"y"\r\n' +
      '1,-1e1,red,,2,\r\n' +
      '0.25,+.5,green,"c|a|b",1,z\r\n',
  )
  const options: CsvOptions = {
    label: 'y',
    dense: ['price'],
    validFraction: 0,
    onBadLine: 'error',
    columns: { tags: { separator: '|' }, id: { encode: 'id' }, note: { encode: 'hash', size: 7 } },
  }
  const data = await openCsv(path, options)
  t.equal(data.train.size, 4)
  const [colour, tags, id] = data.schema.categorical
  t.strictSame(colour, {
    name: 'the "colour"',
    encode: 'vocabulary',
    size: 4,
    values: ['red', 'dark, "deep" blue', 'green'],
    minCount: 1,
  })
  t.match(tags, { separator: '|', values: ['b', 'a', 'c'] })
  t.match(id, { encode: 'id', size: 4 })
  const [{ batch }] = (await all(data.train, { batchSize: 4 })) as [Located]
  t.strictSame([...batch.labels!], [1, 0, 1, 0.25])
  t.strictSame([...batch.dense!], [2.5, 0, -10, 0.5])
  t.strictSame([...batch.tables[0]!.indices], [1, 2, 1, 3])
  t.strictSame([...batch.tables[1]!.indices], [2, 1, 1, 0, 3, 2, 1])
  t.strictSame([...batch.tables[1]!.offsets], [0, 2, 3, 4, 7])
  t.strictSame([...batch.tables[2]!.indices], [3, 0, 2, 1])
  const encoded = data.schema.encodeRows([{ tags: 'c|a|b', id: 1, 'the "colour"': 'green', note: 'z', price: '+.5' }])
  t.strictSame(
    encoded.tables.map(table => [...table.indices]),
    [[3], [3, 2, 1], [1], [batch.tables[3]!.indices[3]]],
  )
  await data.close()

  const other = join(folder, 'other.csv')
  writeFileSync(other, 'note;id;tags;"the ""colour""";y;extra;price\nx;1;a;green;1;-;2\nx;9;a;pink;0;-;2\n')
  const saved = await openCsv(other, { label: 'y', schema: data.schema, delimiter: ';', validFraction: 0 })
  t.strictSame(
    await rowsOf(saved.train, { batchSize: 9 }),
    [`1,2,3,2,1,${batch.tables[3]!.indices[0]}`],
    'columns go by name',
  )
  t.strictSame(saved.train.skippedBy, { 'id out of range': 1 })
  await saved.close()
})

t.test('a CSV column can be the weight of the examples', async t => {
  const folder = t.testdir({
    'train.csv': 'tags,minutes,y,x\n1|0,7.5,1,3\n2,1,0,4\n2,-1,0,4\n2,,0,4\n0,"0",0,5\n',
    'test.csv': 'y,x,tags\n1,2,2|2\n',
  })
  const data = await openCsv(join(folder, 'train.csv'), {
    label: 'y',
    weight: 'minutes',
    dense: ['x'],
    encode: 'id',
    separator: '|',
    validFraction: 0,
    test: join(folder, 'test.csv'),
  })
  t.strictSame(data.schema.tableSizes, [3], 'the weight is no feature')
  t.equal(Schema.fromJSON(JSON.parse(JSON.stringify(data.schema))).weight, 'minutes')
  const [{ batch }] = (await all(data.train, { batchSize: 9 })) as [Located]
  t.strictSame([...batch.weights!], [7.5, 1, 0])
  t.strictSame([...batch.labels!], [1, 0, 0])
  t.strictSame([...batch.dense!], [3, 4, 5])
  t.strictSame([...batch.tables[0]!.indices], [1, 0, 2, 0])
  t.strictSame(data.train.skippedBy, { 'bad weight': 2 })
  const [judged] = (await all(data.test!, { batchSize: 9 })) as [Located]
  t.strictSame([...judged.batch.weights!], [1], 'a file without it weighs 1')
  const rows = [
    { y: 1, x: 3, tags: 1, minutes: 2 },
    { y: 1, x: 3, tags: 1, minutes: '3.5' },
  ]
  t.strictSame([...data.schema.encodeRows(rows).weights!], [2, 3.5])
  t.equal(data.schema.encodeRows([...rows, { y: 1, tags: 0 }]).weights, undefined)
  t.throws(() => data.schema.encodeRows([{ y: 1, tags: 0, minutes: -1 }]), {
    code: 'ERR_DATA',
    message: /"minutes".*>= 0/,
  })
  await data.close()
  const open = (options: object) => openCsv(join(folder, 'test.csv'), { label: 'y', validFraction: 0, ...options })
  await t.rejects(open({ weight: 'minutes' }), { code: 'ERR_DATA', message: /no column "minutes"/ })
  await t.rejects(open({ weight: 'y' }), { code: 'ERR_ARGUMENT', message: /named twice/ })
})

t.test('multi-valued cells, shuffled over groups and resumed', async t => {
  const path = join(t.testdir({}), 'train.csv')
  const text = ascending(9000).map(i => `${i % 2},${Array.from({ length: i % 4 }, (_, k) => i + k).join(' ')},${i}`)
  writeFileSync(path, `y,bag,i\n${text.join('\n')}\n`)
  const data = await openCsv(path, {
    label: 'y',
    encode: 'hash',
    size: 100_000,
    columns: { bag: { separator: ' ' } },
    validFraction: 0.1,
    shuffleMemory: 64 * 1024,
  })
  const options: BatchOptions = { batchSize: 1000, shuffle: true, seed: 1 }
  const whole = await all(data.train, options)
  const rows = await rowsOf(data.train, options)
  const plain = await rowsOf(data.train, { batchSize: 333 })
  t.strictSame([...rows].sort(), [...plain].sort(), 'bags stay with their rows')
  const raw = text
    .slice(0, plain.length)
    .map(line => Object.fromEntries(line.split(',').map((cell, i) => [['y', 'bag', 'i'][i], cell])))
  const encoded = data.schema.encodeRows(raw)
  t.strictSame(
    plain,
    raw.map((_, b) => {
      const bags = encoded.tables.map(({ offsets, indices }) =>
        indices.slice(Number(offsets[b]), Number(offsets[b + 1])).join('+'),
      )
      return [encoded.labels![b], ...bags].join(',')
    }),
    'as encodeRows has them',
  )
  t.strictSame(await all(data.train, { ...options, from: whole[2]!.next }), whole.slice(3))
  await data.close()
})

t.test('CSV headers that make no sense', async t => {
  const path = join(t.testdir({}), 'bad.csv')
  for (const [text, code, message] of [
    ['y,colour', 'ERR_DATA', /no header line followed by rows/],
    ['y,colour\n', 'ERR_DATA', /has no rows/],
    ['y,"colour\n1,2\n', 'ERR_DATA', /unbalanced quotes in the header/],
    ['y,a,a\n1,2,3\n', 'ERR_DATA', /"a" is named twice/],
    ['z,colour\n1,2\n', 'ERR_DATA', /has no column "y"/],
  ] as const) {
    writeFileSync(path, text)
    await t.rejects(openCsv(path, { label: 'y' }), { code, message }, text)
  }
})

t.test('bad options', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'a.csv')
  writeFileSync(path, 'y,a,b\n1,2,3\n0,3,4\n')
  const bad: [object, RegExp][] = [
    [{ label: 3 }, /label/],
    [{ delimiter: '::' }, /delimiter/],
    [{ delimiter: 'a' }, /delimiter/],
    [{ validFraction: 1 }, /validFraction/],
    [{ validFraction: 0.5, valid: path }, /not both/],
    [{ onBadLine: 'ignore' }, /onBadLine/],
    [{ shuffleMemory: 5 }, /shuffleMemory/],
    [{ encode: 'embedding' }, /encode of "a"/],
    [{ encode: 'hash' }, /size of "a"/],
    [{ minCount: 0 }, /minCount/],
    [{ columns: { c: {} } }, /"c" is not a feature column/],
    [{ columns: { a: { separator: ',' } } }, /separator of "a"/],
    [{ columns: { a: { separator: 'ab' } } }, /separator/],
    [{ dense: ['a'], transform: 'sqrt' }, /transform/],
    [{ dense: ['a'], categorical: ['a'] }, /named twice/],
  ]
  for (const [part, message] of bad) {
    await t.rejects(openCsv(path, { label: 'y', ...part }), { code: 'ERR_ARGUMENT', message }, JSON.stringify(part))
  }
  await t.rejects(openCsv(path, { label: 'y', categorical: ['a', 'q'] }), {
    code: 'ERR_DATA',
    message: /no column "q"/,
  })
  const train = join(folder, 'train.txt')
  writeFileSync(train, lines(0, 5))
  await t.rejects(openCriteo(train, { hashSize: 10, minCount: 2 }), { code: 'ERR_ARGUMENT' })
  await t.rejects(openCriteo(train, { hashSize: [1, 2] }), { code: 'ERR_ARGUMENT', message: /26 of them/ })
  await t.rejects(openCriteo(train, { hashSize: 0 }), { code: 'ERR_ARGUMENT', message: /hashSize/ })
  await t.rejects(openCriteo(train, { minCount: 0 }), { code: 'ERR_ARGUMENT', message: /minCount/ })
  const data = await openCriteo(train, { hashSize: 10 })
  for (const options of [
    { batchSize: 0 },
    { batchSize: 1.5 },
    { batchSize: 1, epoch: -1 },
    { batchSize: 1, seed: 0.5 },
  ]) {
    t.throws(() => data.train.batches(options), { code: 'ERR_ARGUMENT' })
  }
  await data.close()
})

const head = join(shared, 'criteo-head8k')
t.test('the first lines of Criteo', { skip: !existsSync(head) && `no ${head}` }, async t => {
  const data = await openCriteo(join(head, 'train.txt'), {
    hashSize: 1000,
    validFile: join(head, 'dev.txt'),
    testFile: join(head, 'test.txt'),
    onBadLine: 'error',
  })
  const sizes = await Promise.all(
    [data.train, data.valid!, data.test!].map(async s => (await rowsOf(s, { batchSize: 256 })).length),
  )
  t.strictSame(sizes, [7200, 409, 391])
  const text = readFileSync(join(head, 'test.txt'), 'utf8').trimEnd().split('\n')
  const encoded = data.schema.encodeRows(text.map(criteoRow))
  const [{ batch }] = (await all(data.test!, { batchSize: 400 })) as [Located]
  t.strictSame(encoded, batch, 'raw lines encode as the file does')
  await data.close()
})

const frappe = join(shared, 'frappe')
t.test('Frappe', { skip: !existsSync(frappe) && `no ${frappe}` }, async t => {
  const data = await openCsv(join(frappe, 'train.csv'), {
    label: 'label',
    valid: join(frappe, 'valid.csv'),
    test: join(frappe, 'test.csv'),
    onBadLine: 'error',
  })
  t.equal(data.train.size, 202_027)
  t.equal(data.schema.tableSizes.length, 10)
  t.equal((await numbers(data.valid!, { batchSize: 4096 })).length, 57_722)
  t.equal((await numbers(data.test!, { batchSize: 4096 })).length, 28_860)
  await data.close()
})

t.test('from dist, as plain JavaScript', async t => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const folder = t.testdir({})
  const dist = join(folder, 'dist')
  mkdirSync(dist)
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const config = {
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions: { outDir: dist, rootDir: join(root, 'lib'), declaration: false },
    files: ['index.ts', 'text_worker.ts'].map(name => join(root, 'lib/data', name)),
    include: [],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  const flags = ['-p', join(folder, 'tsconfig.json')]
  const built = spawnSync(process.execPath, [tsc, ...flags], { encoding: 'utf8', timeout: 120_000 })
  t.equal(built.status, 0, built.stdout)
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  writeFileSync(join(folder, 'train.txt'), lines(0, 500))
  const script = `import { openCriteo } from './dist/data/criteo.js'
    const data = await openCriteo('train.txt', { minCount: 1, validFraction: 0 })
    let n = 0
    for await (const { batch } of data.train.batches({ batchSize: 64, shuffle: true })) n += batch.size
    console.log(n)`
  writeFileSync(join(folder, 'run.js'), script)
  const env = { ...process.env, NODE_OPTIONS: '' }
  for (const argv of [['run.js'], ['--input-type=module', '-e', script]]) {
    const { stdout, stderr, status } = spawnSync(process.execPath, argv, {
      cwd: folder,
      encoding: 'utf8',
      env,
      timeout: 60_000,
    })
    t.equal(stdout, '500\n', stderr)
    t.equal(status, 0)
  }
})
