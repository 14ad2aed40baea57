import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { LineFile } from '../../lib/data/blocks.js'
import { criteoColumns } from '../../lib/data/criteo.js'
import { headerCells, type LineFormat, LineParser } from '../../lib/data/delimited.js'
import { badReason } from '../../lib/data/encode.js'
import { Records } from '../../lib/data/records.js'
import { Schema } from '../../lib/data/schema.js'

/** Parses a text; one word per line: `ok`, or why and where it was refused. */
function parse(parser: LineParser, format: LineFormat, text: string): { said: string[]; records: Records } {
  const bytes = Buffer.from(`${text}\n${'\0'.repeat(8)}`)
  const records = new Records(parser.layout)
  const said: string[] = []
  for (let p = 0; p < bytes.length - 8; ) {
    const before = records.rows
    p = parser.parse(bytes, p, records)
    if (parser.bad !== 0) said.push(`${format.columns[parser.badColumn]}: ${badReason(parser.bad)}`)
    else said.push(records.rows > before ? 'ok' : 'empty')
  }
  return { said, records }
}

const csv: LineFormat = {
  delimiter: 44,
  quotes: true,
  criteo: false,
  columns: ['y', 'colour', 'id', 'x', 'tags', 'other'],
}
const schema = new Schema({
  label: 'y',
  dense: [{ name: 'x', transform: 'identity' }],
  categorical: [
    { name: 'id', encode: 'id', size: 50 },
    { name: 'colour', encode: 'vocabulary', size: 3, values: ['red', 'a "b", c'] },
    { name: 'tags', encode: 'id', size: 9, separator: '|' },
  ],
})

t.test('CSV lines, good and malformed', async t => {
  const lines: [string, string][] = [
    ['1,red,3,2.5,1|2,', 'ok'],
    ['0,"a ""b"", c","4","-2e1","3","""', 'other: unbalanced quotes'],
    ['0,"a ""b"", c","4","-2e1","8",z', 'ok'],
    ['', 'empty'],
    ['\r', 'empty'],
    ['1,pink,49,,0|0|0,"quoted"\r', 'ok'],
    ['1,"red,3', 'colour: unbalanced quotes'],
    ['1,"red"x,3,1,1,', 'colour: unbalanced quotes'],
    ['1,"red""', 'colour: unbalanced quotes'],
    ['1,"', 'colour: unbalanced quotes'],
    ['1,red', 'colour: too few columns'],
    ['1,"red"', 'colour: too few columns'],
    ['1,red,3,1,1,,', 'other: too many columns'],
    ['1,red,3,1,1,"",', 'other: too many columns'],
    [',red,3,1,1,', 'y: bad label'],
    ['nan,red,3,1,1,', 'y: bad label'],
    ['1,red,,1,1,', 'id: missing id'],
    ['1,red,-3,1,1,', 'id: not an id (a non-negative integer)'],
    ['1,red,3.0,1,1,', 'id: not an id (a non-negative integer)'],
    ['1,red,50,1,1,', 'id: id out of range'],
    ['1,red,3,1,1|9,', 'tags: id out of range'],
    ['1,red,3,1,1||2,', 'tags: missing id'],
    ['1,red,3,1,,', 'tags: missing id'],
    ...['x', '-', '+', '1-', '1e', '.', '1e39', 'Infinity', '0x10', ' 1', '--1'].map((cell): [string, string] => {
      return [`1,red,3,${cell},1,`, 'x: not a number']
    }),
    ['.5,red,3,+1234567890.125E-1,5|6,', 'ok'],
    ['1,red,0,12345678901234567890,7,', 'ok'],
    ['1,red,0,-0,7,', 'ok'],
  ]
  const parser = new LineParser(schema, csv)
  const { said, records } = parse(parser, csv, lines.map(([line]) => line).join('\n'))
  t.strictSame(
    said,
    lines.map(([, expected]) => expected),
  )
  const { width } = parser.layout
  const floats = (word: number) => Array.from({ length: records.rows }, (_, row) => records.floats[row * width + word])
  const words = (word: number) => Array.from({ length: records.rows }, (_, row) => records.words[row * width + word])
  t.strictSame(floats(0), [1, 0, 1, 0.5, 1, 1])
  t.strictSame(
    floats(1),
    [2.5, -20, 0, 123456792, Math.fround(Number('12345678901234567890')), 0].map((x, i) => (i === 5 ? -0 : x)),
  )
  t.strictSame(words(2), [3, 4, 49, 3, 0, 0])
  t.strictSame(words(3), [1, 2, 0, 1, 1, 1])
  t.strictSame(words(4), [0, 2, 3, 6, 8, 9], 'refused rows leave nothing in the pool')
  t.strictSame(words(5), [2, 1, 3, 2, 1, 1])
  t.strictSame([...records.pool.subarray(0, records.poolSize)], [1, 2, 8, 0, 0, 0, 5, 6, 7, 7])
})

t.test('Criteo lines, good and malformed', async t => {
  const format: LineFormat = { delimiter: 9, quotes: false, criteo: true, columns: criteoColumns }
  const schema = new Schema({
    label: 'label',
    dense: Array.from({ length: 13 }, (_, i) => ({ name: `I${i + 1}`, transform: 'log1p' })),
    categorical: Array.from({ length: 26 }, (_, i) => ({ name: `C${i + 1}`, encode: 'hash', size: 1 << 30 })),
  })
  const good = ['1', ...Array.from({ length: 13 }, (_, i) => String(i)), ...Array<string>(26).fill('000000ff')]
  const spoil = (at: number, cell: string) => good.map((old, i) => (i === at ? cell : old)).join('\t')
  const lines: [string, string][] = [
    [good.join('\t'), 'ok'],
    [`${good.join('\t')}\r`, 'ok'],
    [spoil(14, 'FFFFFFFE'), 'ok'],
    [spoil(39, ''), 'ok'],
    [spoil(1, '4294967296000'), 'ok'],
    [spoil(1, '0.5'), 'ok'],
    [good.slice(0, 39).join('\t'), 'C25: too few columns'],
    [good.slice(0, 5).join('\t'), 'I4: too few columns'],
    [`${good.join('\t')}\t`, 'C26: too many columns'],
    [`${good.join('\t')}\t00000000`, 'C26: too many columns'],
    ['garbage', 'label: too few columns'],
    [spoil(0, ''), 'label: bad label'],
    [spoil(0, '2'), 'label: bad label'],
    [spoil(0, '0.5'), 'label: bad label'],
    [spoil(3, 'x'), 'I3: not a number'],
    [spoil(3, '-'), 'I3: not a number'],
    [spoil(4, '1e99'), 'I4: not a number'],
    [spoil(14, '68fd1e6'), 'C1: not 8 hexadecimal digits'],
    [spoil(14, '68fd1e644'), 'C1: not 8 hexadecimal digits'],
    [spoil(20, '68fd1e6g'), 'C7: not 8 hexadecimal digits'],
    [spoil(39, '68fd1e6z'), 'C26: not 8 hexadecimal digits'],
    [spoil(39, '"00000ff'), 'C26: not 8 hexadecimal digits'],
  ]
  const { said, records } = parse(new LineParser(schema, format), format, lines.map(([line]) => line).join('\n'))
  t.strictSame(
    said,
    lines.map(([, expected]) => expected),
  )
  const row = (i: number) => [...records.words.subarray(i * 40 + 14, i * 40 + 40)]
  t.strictSame(row(1), row(0))
  t.strictSame(row(2), [0xfffffffe % (1 << 30), ...row(0).slice(1)])
  t.strictSame(row(3), [...row(0).slice(0, 25), 0])
  t.equal(records.floats[4 * 40 + 1], Math.fround(Math.log(4294967296000)))
  t.equal(records.floats[5 * 40 + 1], Math.fround(Math.log(1.5)))
})

t.test('headers', async t => {
  t.strictSame(headerCells('a,b,c', ','), ['a', 'b', 'c'])
  t.strictSame(headerCells('"a ""1"", x",,c,', ','), ['a "1", x', '', 'c', ''])
  t.strictSame(headerCells('a|b', '|'), ['a', 'b'])
  t.equal(headerCells('"a,b', ','), undefined)
})

t.test('blocks: every line in exactly one, wherever blocks end', async t => {
  const path = join(t.testdir({}), 'lines')
  const lines = Array.from({ length: 60 }, (_, i) => 'x'.repeat((i * 7) % 23))
  for (const end of ['\n', '']) {
    const text = `header\n${lines.join('\n')}last${end}`
    writeFileSync(path, text)
    const file = new LineFile(path, text.length, 7)
    for (const step of [1, 2, 5, 16, 100, 5000]) {
      const got: string[] = []
      for (let low = 7; low < text.length; low += step) {
        const { bytes, start, end, offset } = file.lines(low, Math.min(low + step, text.length))
        if (start === end) continue
        t.ok(offset + start >= low && bytes[end - 1] === 10)
        got.push(...Buffer.from(bytes.subarray(start, end)).toString().slice(0, -1).split('\n'))
      }
      t.strictSame(got, text.slice(7).replace(/\n$/, '').split('\n'), `blocks of ${step} bytes`)
    }
    t.equal(file.lineNumber(0), 1)
    t.equal(file.lineNumber(7), 2)
    t.equal(file.lineNumber(text.lastIndexOf('last')), 61)
    file.close()
  }
  writeFileSync(path, Buffer.alloc(18 * 1024 * 1024, 65))
  const file = new LineFile(path, 18 * 1024 * 1024, 0)
  t.throws(() => file.lines(0, 4096), { code: 'ERR_DATA', message: /the line at byte 0 is longer than/ })
  file.close()
  t.throws(() => new LineFile(path, 19 * 1024 * 1024, 0), { code: 'ERR_IO', message: /shrank/ })
  t.throws(() => new LineFile(join(path, 'x'), 1, 0), { code: 'ERR_IO', message: /cannot open/ })
})
