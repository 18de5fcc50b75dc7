// The layers of src/: core/ does not depend on the page, and no files import each other in a circle.

import { readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const root = fileURLToPath(new URL('../src', import.meta.url))

function sources(folder: string): string[] {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isDirectory() ? sources(path) : [path]))
    .filter((path) => /\.tsx?$/.test(path))
}

const files = sources(root)
const inCore = (file: string) => file.startsWith(join(root, 'core/'))
/** File → what it imports statically: files below src/, or names of packages. */
const imports = new Map(files.map((file) => [file, importsOf(file)]))

function importsOf(file: string): string[] {
  const statements = readFileSync(file, 'utf8').matchAll(/^(?:import|export) [^']*? from '([^']+)'/gm)
  return [...statements].map(([, name]) => {
    if (!name!.startsWith('.')) return name!
    const path = join(dirname(file), name!)
    const candidates = [`${path}.ts`, `${path}.tsx`, join(path, 'index.ts')]
    return candidates.find((candidate) => files.includes(candidate)) ?? path
  })
}

it('has no circle of imports', () => {
  const circles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]) => {
    const start = path.indexOf(file)
    if (start >= 0) circles.push([...path.slice(start), file].map((f) => relative(root, f)).join(' → '))
    if (start >= 0 || done.has(file)) return
    for (const imported of imports.get(file) ?? []) visit(imported, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  expect(circles).toEqual([])
})

it('keeps React, the DOM and the catalogue out of core/', () => {
  const imported = files.filter(inCore).flatMap((file) => imports.get(file)!)
  const outside = imported.filter((name) => !inCore(name))
  expect([...new Set(outside)].sort()).toEqual(['idb', 'linkify-it', 'zustand/vanilla'])
})

it('resolves every import of a file', () => {
  const paths = [...imports.values()].flat().filter((name) => name.startsWith(root))
  expect(paths.filter((path) => !files.includes(path))).toEqual([])
  expect(paths.length).toBeGreaterThan(100)
})
