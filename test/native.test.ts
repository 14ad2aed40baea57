import { join } from 'node:path'
import t from 'tap'
import { DlrmError } from '../lib/errors.js'
import { loadNative, native } from '../lib/native.js'

function loadError(root: string): DlrmError {
  try {
    loadNative(root)
  } catch (error) {
    if (error instanceof DlrmError) return error
    throw error
  }
  throw new Error('loadNative did not throw')
}

t.test('the addon loads once, from the source tree', async t => {
  t.equal(loadNative(), native)
  t.not(Object.keys(native).length, 0)
})

t.test('without a binary the error says what to do', async t => {
  const root = t.testdir({ 'package.json': '{"name":"dlrm"}' })
  const error = loadError(root)
  t.equal(error.code, 'ERR_NATIVE')
  t.match(error.message, /No native build was found/)
  t.match(error.message, /Possible solutions:/)
  t.ok(error.message.includes(`node ${join(root, 'scripts', 'build-native.mjs')}`), error.message)
  t.match(error.message, /npm rebuild dlrm/)
  t.ok(error.cause instanceof Error)
})

t.test('a damaged binary is reported with the loader error', async t => {
  const root = t.testdir({ build: { Release: { 'dlrm.node': 'not a shared object' } } })
  const error = loadError(root)
  t.equal(error.code, 'ERR_NATIVE')
  t.match(error.message, /dlrm\.node: (file too short|invalid ELF header|.*not a mach-o)/i)
})
