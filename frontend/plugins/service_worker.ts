// Builds dist/sw.js: inserts the list of the files and the version of the build, which index.html has as well.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { transformWithEsbuild, type Plugin } from 'vite'

const SOURCE = fileURLToPath(new URL('../service_worker/sw.ts', import.meta.url))
/** Files of public/ that the page uses without a connection. */
const PUBLIC = ['favicon.svg', 'favicon-unread.svg', 'icon-192.png']
const PLACEHOLDER = '<meta name="version" content="development" />'

export function serviceWorker(): Plugin {
  return {
    name: 'parley:service-worker',
    apply: 'build',
    enforce: 'post',
    async generateBundle(_, bundle) {
      const index = bundle['index.html']
      if (index?.type !== 'asset' || !String(index.source).includes(PLACEHOLDER))
        throw new Error(`index.html has no ${PLACEHOLDER}`)
      const assets = Object.keys(bundle).filter((name) => name.startsWith('assets/')).sort()
      const source = readFileSync(SOURCE, 'utf8')
      const hash = createHash('sha256')
      for (const part of [source, String(index.source), ...assets]) hash.update(part)
      for (const name of PUBLIC) hash.update(readFileSync(new URL(`../public/${name}`, import.meta.url)))
      const version = hash.digest('hex').slice(0, 16)

      index.source = String(index.source).replace(PLACEHOLDER, `<meta name="version" content="${version}" />`)
      const files = ['/', ...[...assets, ...PUBLIC].map((name) => `/${name}`)]
      const { code } = await transformWithEsbuild(source, SOURCE, {
        define: { VERSION: JSON.stringify(version), FILES: JSON.stringify(files) },
        minify: true,
        target: 'es2022',
        sourcemap: false,
      })
      // The worker is a classic script.
      this.emitFile({ type: 'asset', fileName: 'sw.js', source: code.replace(/export\s*\{\s*\};?\s*$/, '') })
    },
  }
}
