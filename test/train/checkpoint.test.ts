import { fork } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { TensorEntry } from '../../lib/format/safetensors.js'
import { type Checkpoint, Checkpoints, openCheckpoint, type TrainingState } from '../../lib/train/checkpoint.js'
import { onTinyDisk } from '../support/tiny_disk.js'

const state = (step: number, more: Partial<TrainingState> = {}): TrainingState => ({
  epoch: 1,
  step,
  position: { row: 10 * step, file: 'a' },
  rng: { seed: 7, counter: step },
  best: { value: 0.1 + 0.2, step: 1 },
  sinceBest: 2,
  ...more,
})

const tensors = (value: number): TensorEntry[] => [
  { name: 'emb_l.0.weight', shape: [300, 3], chunks: () => [new Float32Array(600).fill(value), new Float32Array(300)] },
  { name: 'empty', shape: [0], chunks: () => [] },
  { name: 'opt.h', shape: [2], chunks: () => [Float32Array.of(value, -value)] },
]

async function closed(checkpoint: Checkpoint | undefined): Promise<Checkpoint> {
  await checkpoint!.file.close()
  return checkpoint!
}

t.test('saves, rotates, finds the newest', async t => {
  const dir = join(t.testdir(), 'made/for/us')
  const checkpoints = new Checkpoints({ dir, keep: 2 })
  t.equal(await checkpoints.latest(), undefined)
  for (const step of [8, 9, 10, 100]) await checkpoints.save(state(step), tensors(step), { config: '{"a":1}', 7: 'x' })
  t.strictSame(readdirSync(dir).sort(), ['checkpoint-10.safetensors', 'checkpoint-100.safetensors'])
  const latest = (await checkpoints.latest())!
  t.equal(latest.step, 100)
  t.strictSame(latest.state, state(100))
  t.equal(latest.file.metadata.config, '{"a":1}')
  t.strictSame(await latest.file.read('opt.h'), Float32Array.of(100, -100))
  await latest.file.close()
  await checkpoints.save(state(50), tensors(50))
  t.strictSame(
    readdirSync(dir).sort(),
    ['checkpoint-10.safetensors', 'checkpoint-50.safetensors'],
    'going back drops later ones',
  )
  await new Checkpoints({ dir, keep: 1 }).save(state(50), tensors(1))
  t.strictSame(readdirSync(dir), ['checkpoint-50.safetensors'])
})

t.test('passes over damaged checkpoints', async t => {
  const flip = (path: string, at: number) => {
    const bytes = readFileSync(path)
    bytes[at < 0 ? bytes.length + at : at] ^= 1
    writeFileSync(path, bytes)
  }
  const damages: [string, RegExp, (path: string) => unknown][] = [
    ['empty', /truncated/, path => truncateSync(path, 0)],
    ['half', /truncated/, path => truncateSync(path, readFileSync(path).length / 2)],
    ['a bit of a tensor', /checksum/, path => flip(path, -20)],
    ['a bit of the checksum', /checksum/, path => flip(path, -2)],
    ['a digit of the state', /checksum/, path => flip(path, readFileSync(path).indexOf('"sinceBest\\":2') + 13)],
    ['another step', /holds step 3/, path => renameSync(path.replace('-4', '-3'), path)],
    ['not JSON', /not JSON/, path => flip(path, 8)],
    ['a folder', /reading|opening/, path => [renameSync(path, `${path}.old`), mkdirSync(path)]],
  ]
  for (const [name, reason, damage] of damages) {
    const dir = t.testdir()
    const warnings: string[] = []
    const checkpoints = new Checkpoints({ dir, keep: 9, onWarning: w => warnings.push(w) })
    for (const step of [2, 3, 4]) await checkpoints.save(state(step), tensors(step))
    damage(join(dir, 'checkpoint-4.safetensors'))
    const found = await closed(await checkpoints.latest())
    t.equal(found.step, name === 'another step' ? 2 : 3, name)
    t.match(warnings, [reason])
    t.equal(warnings.length, 1)
  }
})

t.test('refuses what could not be restored', async t => {
  const dir = t.testdir()
  const checkpoints = new Checkpoints({ dir })
  const invalid: [TrainingState, TensorEntry[], string][] = [
    [state(1, { best: { value: NaN, step: 1 } }), [], 'ERR_ARGUMENT'],
    [state(-1), [], 'ERR_ARGUMENT'],
    [state(0.5), [], 'ERR_ARGUMENT'],
    [state(1), [{ name: 'checkpoint.crc32', shape: [1], chunks: () => [new Float32Array(1)] }], 'ERR_ARGUMENT'],
    [state(1), [{ name: 'a', shape: [2], chunks: () => [new Float32Array(1)] }], 'ERR_SHAPE'],
  ]
  for (const [s, tensors, code] of invalid) await t.rejects(checkpoints.save(s, tensors), { code })
  t.strictSame(readdirSync(dir), [])
  for (const keep of [0, 1.5, NaN]) t.throws(() => new Checkpoints({ dir, keep }), { code: 'ERR_ARGUMENT' })
  writeFileSync(join(dir, 'file'), '')
  await t.rejects(new Checkpoints({ dir: join(dir, 'file') }).save(state(1), []), { code: 'ERR_IO' })
  await t.rejects(new Checkpoints({ dir: join(dir, 'file') }).latest(), { code: 'ERR_IO' })
  await t.rejects(openCheckpoint(fileURLToPath(new URL('../golden/dlrm.safetensors', import.meta.url))), {
    code: 'ERR_FORMAT',
    message: /not a checkpoint/,
  })
})

t.test('a full disk keeps the last checkpoint', async t => {
  const ran = await onTinyDisk(64, async dir => {
    const checkpoints = new Checkpoints({ dir, keep: 1 })
    await checkpoints.save(state(1), tensors(1))
    const big = { name: 'big', shape: [1 << 20], chunks: () => [new Float32Array(1 << 20)] }
    await t.rejects(checkpoints.save(state(2), [big]), { code: 'ERR_IO', cause: { code: 'ENOSPC' } })
    t.strictSame(readdirSync(dir), ['checkpoint-1.safetensors'])
    t.equal((await closed(await checkpoints.latest())).step, 1)
  })
  if (!ran) t.plan(0, 'mounting a small tmpfs is not permitted here')
})

t.test('kill -9 at any moment leaves the last good checkpoint', async t => {
  const dir = t.testdir()
  const child = fileURLToPath(new URL('../support/checkpoint_child.ts', import.meta.url))
  for (const delay of [0, 3]) {
    const running = fork(child, [dir])
    let reported = 0
    running.on('message', (step: number) => {
      reported = step
      if (step % 4 === 0) setTimeout(() => running.kill('SIGKILL'), delay) // the child is writing the next one
    })
    await new Promise(resolve => running.once('exit', resolve))
    t.ok(reported >= 4)
    t.comment(`${readdirSync(dir).filter(name => name.endsWith('.tmp')).length} temporary files left behind`)
    const warnings: string[] = []
    const latest = (await new Checkpoints({ dir, onWarning: w => warnings.push(w) }).latest())!
    t.ok(latest.step >= reported, `step ${latest.step} found, ${reported} was reported as saved`)
    t.strictSame(warnings, [])
    t.ok((await latest.file.read('w')).every(x => x === latest.step))
    await latest.file.close()
  }
  writeFileSync(join(dir, '.checkpoint-5.safetensors.999999999.0.tmp'), 'of a process that is gone')
  writeFileSync(join(dir, `.checkpoint-5.safetensors.${process.ppid}.0.tmp`), 'of a process that lives')
  await new Checkpoints({ dir, keep: 1 }).save(state(1_000_000), tensors(1))
  t.strictSame(
    readdirSync(dir).sort(),
    [`.checkpoint-5.safetensors.${process.ppid}.0.tmp`, 'checkpoint-1000000.safetensors'],
    'leftovers are swept',
  )
})
