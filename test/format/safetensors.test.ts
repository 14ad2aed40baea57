import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openSafetensors, type TensorEntry, writeSafetensors } from '../../lib/format/safetensors.js'
import { onTinyDisk } from '../support/tiny_disk.js'

/** A file with the given header text and data bytes, written by hand from the format's definition. */
function handMade(
  path: string,
  header: string | Uint8Array,
  data: Uint8Array = new Uint8Array(),
  length?: bigint,
): string {
  const json = Buffer.from(header as string)
  const head = Buffer.alloc(8)
  head.writeBigUInt64LE(length ?? BigInt(json.length))
  writeFileSync(path, Buffer.concat([head, json, data]))
  return path
}

const tensor = (dtype: string, shape: unknown, data_offsets: unknown) => ({ dtype, shape, data_offsets })

function entry(name: string, shape: number[], data: ArrayLike<number>, pieces = 1): TensorEntry {
  const all = Float32Array.from(data)
  return {
    name,
    shape,
    *chunks() {
      const size = Math.ceil(all.length / pieces)
      for (let i = 0; i < all.length; i += size) yield all.subarray(i, i + size)
    },
  }
}

t.test('writes and reads back', async t => {
  const path = join(t.testdir(), 'm.safetensors')
  const weights = Float32Array.from({ length: 35 }, (_, i) => Math.fround(Math.sin(i) / 3))
  const metadata = { 'a "quoted" key': 'ä\u0000\n', __proto__x: '1' }
  await writeSafetensors(
    path,
    [entry('emb_l.0.weight', [5, 7], weights, 4), entry('s', [], [2]), entry('e', [0, 3], [])],
    metadata,
  )
  const file = await openSafetensors(path)
  t.teardown(() => file.close())
  t.strictSame({ ...file.metadata }, metadata)
  t.strictSame([...file.tensors.keys()], ['emb_l.0.weight', 's', 'e'])
  t.strictSame(file.tensors.get('emb_l.0.weight')!.shape, [5, 7])
  t.strictSame(await file.read('emb_l.0.weight'), weights)
  t.strictSame(await file.read('s'), Float32Array.of(2))
  t.strictSame(await file.read('e'), new Float32Array(0))
  const middle = new Float32Array(4)
  await file.readInto('emb_l.0.weight', middle, 30)
  t.strictSame(middle, weights.slice(30, 34))
  const seen: number[] = []
  for await (const chunk of file.chunks('emb_l.0.weight', 8)) seen.push(...chunk)
  t.strictSame(Float32Array.from(seen), weights)
  const bytes = readFileSync(path)
  t.equal(Number(bytes.readBigUInt64LE()) % 8, 0, 'data aligned to 8')

  await t.rejects(file.read('nope'), { code: 'ERR_ARGUMENT' })
  await t.rejects(file.readInto('s', new Float32Array(2)), { code: 'ERR_SHAPE' })
  await t.rejects(file.readInto('s', new Float32Array(1), -1), { code: 'ERR_SHAPE' })
  await t.rejects(file.chunks('s', 0).next(), { code: 'ERR_ARGUMENT' })
  truncateSync(path, bytes.length - 1)
  await t.rejects(file.read('s'), { code: 'ERR_FORMAT', message: /became shorter/ })
  await file.close()
  await file.close()
  await t.rejects(file.read('s'), { code: 'ERR_STATE' })
})

t.test('converts F16, BF16 and F64, refuses integers', async t => {
  const f16 = Uint16Array.of(0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x83ff, 0x7c00, 0xfc00, 0x3555)
  const half = [0, -0, 1, -2, 65504, 2 ** -14, 2 ** -24, -1023 * 2 ** -24, Infinity, -Infinity, 0.333251953125]
  const bf16 = Uint16Array.of(0x3f80, 0xc040, 0x0001, 0xff80)
  const f64 = Float64Array.of(1 / 3, 1e300, -(2 ** -150))
  const data = Buffer.concat([f16, bf16, f64, BigInt64Array.of(7n)].map(a => new Uint8Array(a.buffer)))
  const header = {
    h: tensor('F16', [11], [0, 22]),
    b: tensor('BF16', [2, 2], [22, 30]),
    d: tensor('F64', [3], [30, 54]),
    i: tensor('I64', [1], [54, 62]),
  }
  const file = await openSafetensors(handMade(join(t.testdir(), 'x'), JSON.stringify(header), data))
  t.teardown(() => file.close())
  t.strictSame(await file.read('h'), Float32Array.from(half))
  t.ok(Object.is((await file.read('h'))[1], -0))
  t.strictSame(await file.read('b'), Float32Array.of(1, -3, 2 ** -133, -Infinity))
  t.strictSame(await file.read('d'), Float32Array.of(1 / 3, Infinity, -0))
  const part = new Float32Array(2)
  await file.readInto('h', part, 3)
  t.strictSame(part, Float32Array.of(-2, 65504))
  await t.rejects(file.read('i'), { code: 'ERR_FORMAT', message: /tensor "i" is I64/ })
})

t.test('reads beyond 4 GiB without holding the tensor', async t => {
  const elements = 2 ** 30 + 3
  const header = JSON.stringify({ big: tensor('F32', [elements], [0, 4 * elements]) })
  const path = handMade(join(t.testdir(), 'big'), header)
  const start = 8 + header.length
  truncateSync(path, start + 4 * elements) // sparse: takes no disk
  const fd = openSync(path, 'r+')
  writeSync(fd, Uint8Array.from([0, 0, 128, 63]), 0, 4, start + 4 * (elements - 1))
  closeSync(fd)
  const file = await openSafetensors(path)
  t.teardown(() => file.close())
  const last = new Float32Array(2)
  await file.readInto('big', last, elements - 2)
  t.strictSame(last, Float32Array.of(0, 1))
})

t.test('a header that lies is refused', async t => {
  const dir = t.testdir()
  const one = tensor('F32', [1], [0, 4])
  const json = (value: unknown) => JSON.stringify(value)
  const cases: [string, string | Uint8Array, number, RegExp, bigint?][] = [
    ['truncated header', '{}', 0, /truncated: header of 100 bytes, the file has 2/, 100n],
    ['oversized header', '{}', 0, /header of 100000001 bytes, the limit/, 100_000_001n],
    ['header length 2^64-1', '{}', 0, /header of 18446744073709552000 bytes/, 2n ** 64n - 1n],
    ['empty header', '', 0, /not JSON/],
    ['not JSON', '{"a":', 0, /not JSON/],
    ['not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 0, /not JSON/],
    ['not an object', '[]', 0, /not a JSON object/],
    ['tensor is null', json({ a: null }), 0, /tensor "a": is not an object/],
    ['metadata is a list', json({ __metadata__: [] }), 0, /__metadata__ is not an object/],
    ['metadata holds a number', json({ __metadata__: { k: 1 } }), 0, /"k" is not a string/],
    ['unknown dtype', json({ a: tensor('F31', [1], [0, 4]) }), 4, /unknown dtype "F31"/],
    ['dtype of the prototype', json({ a: tensor('toString', [1], [0, 4]) }), 4, /unknown dtype/],
    ['dtype missing', json({ a: { shape: [1], data_offsets: [0, 4] } }), 4, /unknown dtype nothing/],
    ['negative shape', json({ a: tensor('F32', [-1], [0, 4]) }), 4, /shape must be .* received \[-1\]/],
    ['fractional shape', json({ a: tensor('F32', [0.5], [0, 2]) }), 2, /shape must be/],
    ['shape of text', json({ a: tensor('F32', ['1'], [0, 4]) }), 4, /shape must be/],
    ['shape beyond 2^53', `{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}`, 4, /shape must be/],
    ['overflowing shape', json({ a: tensor('F32', [2 ** 32, 2 ** 32], [0, 0]) }), 0, /overflows/],
    ['shape missing', json({ a: { dtype: 'F32', data_offsets: [0, 4] } }), 4, /received nothing/],
    ['offsets reversed', json({ a: tensor('F32', [1], [4, 0]) }), 4, /data_offsets must be/],
    ['offsets of one', json({ a: tensor('F32', [1], [4]) }), 4, /data_offsets must be/],
    ['negative offset', json({ a: tensor('F32', [1], [-4, 0]) }), 4, /data_offsets must be/],
    [
      'length and shape differ',
      json({ a: tensor('F32', [2], [0, 4]) }),
      4,
      /shape \[2\] of F32 takes 8 bytes.* hold 4/,
    ],
    ['overlap', json({ a: one, b: tensor('F32', [1], [2, 6]) }), 6, /"b" begins at byte 2, inside/],
    ['the same bytes twice', json({ a: one, b: one }), 4, /"b" begins at byte 0, inside/],
    ['gap', json({ a: one, b: tensor('F32', [1], [8, 12]) }), 12, /"b" begins at byte 8, 4 bytes after/],
    ['gap in front', json({ a: tensor('F32', [1], [4, 8]) }), 8, /"a" begins at byte 4/],
    ['truncated data', json({ a: one }), 3, /truncated: tensors take 4 bytes.* has 3/],
    ['trailing bytes', json({ a: one }), 5, /1 bytes after the last tensor/],
    [
      'duplicate name',
      `{"a":${json(one)},"b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},"a":${json(one)}}`,
      4,
      /"a" twice/,
    ],
    ['duplicate name, escaped', `{"a":${json(one)},"\\u0061":${json(one)}}`, 4, /"a" twice/],
    ['duplicate field', '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4, /"dtype" twice/],
  ]
  for (const [name, header, data, message, length] of cases) {
    const path = handMade(join(dir, 'f'), header, new Uint8Array(data), length)
    await t.rejects(openSafetensors(path), { code: 'ERR_FORMAT', message }, name)
  }
  writeFileSync(join(dir, 'short'), 'abc')
  await t.rejects(openSafetensors(join(dir, 'short')), { code: 'ERR_FORMAT', message: /truncated: 3 bytes/ })
  await t.rejects(openSafetensors(join(dir, 'absent')), { code: 'ERR_IO' })
  await t.rejects(openSafetensors(dir), { code: 'ERR_IO' }, 'a folder')
  const long = { __metadata__: { schema: json('"x\\'.repeat(300_000)) }, 'tab\t:{"': one }
  const file = await openSafetensors(handMade(join(dir, 'f'), json(long), new Uint8Array(4)))
  t.ok(file.tensors.has('tab\t:{"'), 'megabytes of quotes and escapes pass the duplicate check')
  await file.close()
})

t.test('a failed write leaves the old file and nothing else', async t => {
  const dir = t.testdir()
  const path = join(dir, 'm.safetensors')
  await writeSafetensors(path, [entry('a', [2], [1, 2])])
  const before = readFileSync(path)
  const refused: [string, TensorEntry[], Record<string, string>, string][] = [
    ['too few', [entry('a', [3], [1, 2])], {}, 'ERR_SHAPE'],
    ['too many', [entry('a', [1], [1, 2])], {}, 'ERR_SHAPE'],
    ['a name twice', [entry('a', [1], [1]), entry('a', [1], [1])], {}, 'ERR_ARGUMENT'],
    ['reserved name', [entry('__metadata__', [1], [1])], {}, 'ERR_ARGUMENT'],
    ['negative shape', [entry('a', [-1, -2], [1, 2])], {}, 'ERR_ARGUMENT'],
    ['fractional shape', [entry('a', [0.5, 4], [1, 2])], {}, 'ERR_ARGUMENT'],
    ['metadata not text', [], { a: 1 as unknown as string }, 'ERR_ARGUMENT'],
    ['header beyond the limit', [], { a: ' '.repeat(100_000_001) }, 'ERR_ARGUMENT'],
  ]
  for (const [name, entries, metadata, code] of refused) {
    await t.rejects(writeSafetensors(path, entries, metadata), { code }, name)
  }
  const broken: TensorEntry = {
    name: 'a',
    shape: [4],
    *chunks() {
      yield Float32Array.of(1, 2)
      throw new RangeError('source failed')
    },
  }
  await t.rejects(writeSafetensors(path, [broken]), new RangeError('source failed'))
  t.strictSame(readFileSync(path), before)
  t.strictSame(readdirSync(dir), ['m.safetensors'])
  await t.rejects(writeSafetensors(join(dir, 'no/such/folder'), []), { code: 'ERR_IO', cause: { code: 'ENOENT' } })
})

t.test('a full disk', async t => {
  const ran = await onTinyDisk(256, async dir => {
    const path = join(dir, 'm.safetensors')
    await writeSafetensors(path, [entry('a', [1000], new Float32Array(1000))])
    const before = readFileSync(path)
    const big = entry('a', [100_000], new Float32Array(100_000), 7)
    await t.rejects(writeSafetensors(path, [big]), { code: 'ERR_IO', cause: { code: 'ENOSPC' } })
    t.strictSame(readFileSync(path), before)
    t.strictSame(readdirSync(dir), ['m.safetensors'])
  })
  if (!ran) t.plan(0, 'mounting a small tmpfs is not permitted here')
})

t.test('Python reads what we write, and we what Python writes', async t => {
  const python = process.env.DLRM_PYTHON
  if (!python) {
    t.plan(0, 'set DLRM_PYTHON to an interpreter with safetensors and numpy')
    return
  }
  const dir = t.testdir()
  await writeSafetensors(join(dir, 'ours'), [entry('w', [2, 3], [0, 1, 2, 3, 4, 0.1]), entry('e', [0], [])], { k: 'v' })
  const script = `
import sys, numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file
with safe_open(sys.argv[1] + '/ours', framework='np') as f:
    assert f.metadata() == {'k': 'v'}, f.metadata()
    save_file({k: f.get_tensor(k) * 2 for k in f.keys()} | {'h': np.array([.5, -3], np.float16)}, sys.argv[1] + '/theirs', {'m': 'n'})
`
  execFileSync(python, ['-c', script, dir], { stdio: ['ignore', 'inherit', 'inherit'] })
  const file = await openSafetensors(join(dir, 'theirs'))
  t.teardown(() => file.close())
  t.strictSame({ ...file.metadata }, { m: 'n' })
  t.strictSame(await file.read('w'), Float32Array.from([0, 2, 4, 6, 8, 0.2]))
  t.strictSame(file.tensors.get('e')!.shape, [0])
  t.strictSame(await file.read('h'), Float32Array.of(0.5, -3))
})
