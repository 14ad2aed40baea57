/** The README's examples marked "ts run" do run, on small data. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { writeCriteo } from '../lib/data/write_criteo.js'

const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const examples = [...readme.matchAll(/```ts run\n([\s\S]*?)```/g)].map(match => match[1]!)

t.test('there are examples', async t => t.ok(examples.length >= 3))

examples.forEach((example, i) => {
  t.test(`example ${i + 1}`, async t => {
    const dir = t.testdir()
    writeCriteo(join(dir, 'train.txt'), { rows: 1500 })
    const source = example
      .replace(/from 'dlrm'/, `from '${new URL('../lib/index.js', import.meta.url)}'`)
      .replace('hashSize: 100_000', 'hashSize: 1000')
    const { module, target } = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
    const { outputText } = ts.transpileModule(source, { compilerOptions: { module, target } })
    const script = join(dir, 'example.mjs')
    writeFileSync(script, outputText)
    const home = process.cwd()
    const lines: unknown[][] = []
    const { log } = console
    process.chdir(dir)
    console.log = (...values) => lines.push(values)
    try {
      await import(pathToFileURL(script).href)
    } finally {
      console.log = log
      process.chdir(home)
    }
    t.ok(lines.length > 0, 'prints something')
    for (const value of lines.flat()) t.notMatch(String(value), /NaN|undefined/)
  })
})
