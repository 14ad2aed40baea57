import fc from 'fast-check'
import t from 'tap'
import { ByteDictionary } from '../../lib/data/dictionary.js'
import { hex8, modulo, murmur3 } from '../../lib/data/hash.js'
import { type CategoricalColumn, Schema, type SchemaJson } from '../../lib/data/schema.js'

const json: SchemaJson = {
  version: 1,
  label: 'y',
  dense: [
    { name: 'd1', transform: 'identity' },
    { name: 'd2', transform: 'log1p' },
  ],
  categorical: [
    { name: 'h', encode: 'hash', size: 1000 },
    { name: 'v', encode: 'vocabulary', size: 3, values: ['red', 'blå'], minCount: 2 },
    { name: 'i', encode: 'id', size: 10 },
    { name: 'm', encode: 'vocabulary', size: 4, values: ['a', 'b', 'c'], separator: '|' },
  ],
}

t.test('hashes', async t => {
  const hash = (text: string, seed = 0) => murmur3(Buffer.from(text), 0, Buffer.byteLength(text), seed)
  // Vectors of the published algorithm.
  t.equal(hash(''), 0)
  t.equal(hash('', 1), 0x514e28b7)
  t.equal(hash('', 0xffffffff), 0x81f16f39)
  t.equal(hash('test'), 0xba6bd213)
  t.equal(hash('Hello, world!'), 0xc0363e43)
  t.equal(hash('The quick brown fox jumps over the lazy dog'), 0x2e4ff723)
  const hex = (text: string) => hex8(Buffer.from(text), 0, text.length)
  t.strictSame(
    ['68fd1e64', 'FFFFFFFF', '00000000', '68fd1e6', '68fd1e644', '68fd1e6g', ' 8fd1e64'].map(hex),
    [0x68fd1e64, 0xffffffff, 0, -1, -1, -1, -1],
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 1, max: 0x7fffffff }), (word, size) => {
      return modulo(word, size) === word % size && modulo(word | 0, size) === word % size
    }),
  )
})

t.test('dictionary: strings and numbers one to one', async t => {
  const dictionary = new ByteDictionary()
  const at = (text: string, how: 'add' | 'find') =>
    dictionary[how](Buffer.from(`<${text}>`), 1, 1 + Buffer.byteLength(text))
  const words = Array.from({ length: 5000 }, (_, i) => (i % 3 === 0 ? i.toString(16).padStart(8, '0') : `wört${i}`))
  t.equal(at('nothing', 'find'), -1)
  t.equal(at('00000000', 'find'), -1)
  t.strictSame(
    words.map(word => at(word, 'add')),
    words.map((_, i) => i),
  )
  t.strictSame(
    words.map(word => at(word, 'add')),
    words.map((_, i) => i),
    'again',
  )
  t.strictSame(
    words.map(word => at(word, 'find')),
    words.map((_, i) => i),
  )
  t.strictSame(
    words.map((_, i) => dictionary.text(i)),
    words,
  )
  t.equal(dictionary.size, 5000)
  t.equal(dictionary.findHex(3), 3)
  t.equal(at('', 'find'), -1)
  t.equal(at('DEADBEEF', 'add'), 5000, 'upper case is another string')
  t.equal(at('deadbeef', 'find'), -1)
  const bad = dictionary.add(Uint8Array.of(0xff, 0xfe), 0, 2)
  t.equal(dictionary.text(bad), undefined, 'not UTF-8')
})

t.test('JSON round trip', async t => {
  const schema = Schema.fromJSON(JSON.parse(JSON.stringify(new Schema(json))))
  t.strictSame(schema.toJSON(), json)
  t.equal(schema.denseCount, 2)
  t.strictSame(schema.tableSizes, [1000, 3, 10, 4])
  t.strictSame(new Schema({ label: 'y' }).tableSizes, [])
})

t.test('lying JSON', async t => {
  const first = json.categorical[0]!
  const second = json.categorical[1]!
  const column = (part: object, of: CategoricalColumn = first) => ({ ...json, categorical: [{ ...of, ...part }] })
  const lies: unknown[] = [
    undefined,
    null,
    [],
    'schema',
    {},
    { ...json, version: 2 },
    { ...json, label: '' },
    { ...json, label: 3 },
    { ...json, dense: {} },
    { ...json, categorical: 'x' },
    { ...json, dense: [null] },
    { ...json, dense: [{ name: 'd', transform: 'sqrt' }] },
    { ...json, dense: [{ transform: 'identity' }] },
    { ...json, dense: [{ name: 'd', transform: 'identity', boundaries: [0, 1] }] },
    ...[undefined, [], [1], [2, 1], [0, '1'], [0, 1e60], [0, null], 4].map(boundaries => ({
      ...json,
      dense: [{ name: 'd', transform: 'quantile', boundaries }],
    })),
    { ...json, label: 'd1' },
    { ...json, weight: '' },
    { ...json, weight: 'd1' },
    { ...json, categorical: [first, first] },
    { ...json, categorical: [[]] },
    column({ encode: 'embed' }),
    column({ size: 0 }),
    column({ size: 2 ** 31 }),
    column({ size: 1.5 }),
    column({ size: '10' }),
    column({ separator: '||' }),
    column({ separator: 7 }),
    column({ separator: 'é' }),
    column({ values: undefined }, second),
    column({ values: ['one'] }, second),
    column({ values: ['one', 2] }, second),
    column({ values: ['one', ''] }, second),
    column({ values: ['one', 'one'] }, second),
    column({ minCount: 0 }, second),
  ]
  for (const lie of lies) t.throws(() => Schema.fromJSON(lie), { code: 'ERR_FORMAT' }, JSON.stringify(lie))
  t.throws(() => new Schema({ label: 'a', dense: [{ name: 'a', transform: 'identity' }] }), { code: 'ERR_ARGUMENT' })
})

t.test('encodeRows', async t => {
  const schema = new Schema(json)
  const batch = schema.encodeRows([
    { d1: 2.5, d2: 7, h: '68fd1e64', v: 'blå', i: 9, m: 'c|a|zebra', y: 1 },
    { d1: '-1e2', d2: -3, h: 'plain text', v: 'green', i: '0', m: ['b', null, 'b'], y: '0' },
    { d1: null, d2: 3n, h: null, v: '', i: 3n, y: 0.5, unknown: true },
    { d2: 1e6, h: 5, i: 1, m: [], y: 0 },
  ])
  t.equal(batch.size, 4)
  const log = (x: number) => Math.fround(Math.log(Math.fround(x + 1)))
  t.strictSame([...batch.dense!], [2.5, log(7), -100, 0, 0, log(3), 0, log(1e6)])
  t.strictSame([...batch.labels!], [1, 0, 0.5, 0])
  const hash = (text: string) => murmur3(Buffer.from(text), 0, text.length) % 1000
  t.strictSame([...batch.tables[0]!.indices], [0x68fd1e64 % 1000, hash('plain text'), 0, hash('5')])
  t.strictSame([...batch.tables[1]!.indices], [2, 0, 0, 0])
  t.strictSame([...batch.tables[2]!.indices], [9, 0, 3, 1])
  t.strictSame([...batch.tables[2]!.offsets], [0, 1, 2, 3, 4])
  t.strictSame([...batch.tables[3]!.indices], [3, 1, 0, 2, 0, 2, 0, 0])
  t.strictSame([...batch.tables[3]!.offsets], [0, 3, 6, 7, 8])
  t.equal(schema.encodeRows([{ i: 1, y: 1 }, { i: 2 }]).labels, undefined, 'labels only when all rows have one')
  t.equal(schema.encodeRows([]).size, 0)
})

t.test('rows of the wrong type name the row and the column', async t => {
  const schema = new Schema(json)
  const good = { d1: 1, d2: 1, h: 'x', v: 'red', i: 1, m: 'a', y: 1 }
  const bad: [object, RegExp][] = [
    [{ d1: 'much' }, /row 1: column "d1": expected a finite number, received "much"/],
    [{ d1: Number.NaN }, /"d1"/],
    [{ d1: Number.POSITIVE_INFINITY }, /"d1"/],
    [{ d1: '1e60' }, /"d1"/],
    [{ d1: true }, /"d1"/],
    [{ d2: [1] }, /"d2".*an array of 1/],
    [{ h: {} }, /"h": expected a string or an integer, received a Object/],
    [{ h: ['x'] }, /"h"/],
    [{ h: 1.5 }, /"h"/],
    [{ v: false }, /"v"/],
    [{ i: -1 }, /"i": expected an id in \[0, 10\) \(not an id/],
    [{ i: 10 }, /"i".*out of range/],
    [{ i: 1.5 }, /"i"/],
    [{ i: 'x' }, /"i"/],
    [{ i: '1'.repeat(16) }, /"i"/],
    [{ i: null }, /"i".*missing id/],
    [{ m: ['a', {}] }, /"m".*an array of them/],
    [{ y: 'yes' }, /"y"/],
  ]
  for (const [part, message] of bad) {
    t.throws(() => schema.encodeRows([good, { ...good, ...part }]), { code: 'ERR_DATA', message })
  }
  for (const row of [null, 'text', [1]]) {
    t.throws(() => schema.encodeRows([row as never]), { code: 'ERR_DATA', message: /row 0: expected an object/ })
  }
  t.throws(() => schema.encodeRows([{ D1: 3, H: 'x' }]), { code: 'ERR_DATA', message: /none of its keys \(D1, H\)/ })
  t.throws(() => schema.encodeRows({} as never), { code: 'ERR_ARGUMENT' })
})
