// Writes a .br and a .gz beside each text file of dist/, and prints the sizes. Web servers send them as they are.

import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

const TEXT = /\.(html|js|css|svg|json|webmanifest|txt)$/
const MIN_BYTES = 1024

export function compress(): Plugin {
  let dist: string
  return {
    name: 'parley:compress',
    apply: 'build',
    enforce: 'post',
    configResolved({ root, build }) {
      dist = resolve(root, build.outDir)
    },
    closeBundle() {
      if (!existsSync(join(dist, 'index.html'))) return // the build failed
      for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' }))
        if (TEXT.test(name)) compressFile(join(dist, name))
      const first = firstScreen(dist)
      const kb = (bytes: number) => (bytes / 1000).toFixed(1)
      for (const name of first) console.info(`${name.padEnd(44)} ${kb(sizeOf(dist, name)).padStart(7)} kB brotli`)
      const scripts = first.filter((name) => name.endsWith('.js'))
      console.info(`first screen: ${kb(total(dist, first))} kB brotli, of this ${kb(total(dist, scripts))} kB JavaScript`)
    },
  }
}

function compressFile(path: string): void {
  const data = readFileSync(path)
  if (data.length < MIN_BYTES) return
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: data.length,
  }
  const compressed = { br: brotliCompressSync(data, { params }), gz: gzipSync(data, { level: 9 }) }
  for (const [ending, content] of Object.entries(compressed))
    if (content.length < data.length) writeFileSync(`${path}.${ending}`, content)
}

/** Returns the files that the first screen needs: index.html, what it names, and what those import statically. */
export function firstScreen(dist: string): string[] {
  const names = new Set(['index.html'])
  for (const name of names) {
    const text = readFileSync(join(dist, name), 'utf8')
    const found = name.endsWith('.html')
      ? text.matchAll(/<(?:script|link)\b[^>]*(?:src|href)="\/(assets\/[^"]+)"/g)
      : name.endsWith('.js')
        ? text.matchAll(/(?:\bfrom|\bimport)\s*"\.\/([^"]+)"/g)
        : []
    for (const [, path] of found) names.add(name.endsWith('.html') ? path! : `assets/${path!}`)
  }
  return [...names]
}

/** The size of a file as it is sent to a browser. */
export function sizeOf(dist: string, name: string, ending = 'br'): number {
  const path = join(dist, name)
  return readFileSync(existsSync(`${path}.${ending}`) ? `${path}.${ending}` : path).length
}

export const total = (dist: string, names: readonly string[], ending = 'br') =>
  names.reduce((sum, name) => sum + sizeOf(dist, name, ending), 0)
