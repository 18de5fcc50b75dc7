import process from 'node:process'
import { defineConfig } from 'vitest/config'
import { compress } from './plugins/compress'
import { emoji } from './plugins/emoji'
import { serviceWorker } from './plugins/service_worker'

// The parleyd that `npm run dev` forwards requests to.
const server = process.env.PARLEY_URL ?? 'http://localhost:8080'

export default defineConfig({
  plugins: [emoji(), serviceWorker(), compress()],
  esbuild: { jsx: 'automatic' },
  build: {
    target: 'es2022',
    outDir: 'dist',
    // The content security policy is `default-src 'self'`: no asset may be inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      onwarn(warning, warn) {
        // Directives in libraries, for server-side rendering and other bundlers.
        if (!['MODULE_LEVEL_DIRECTIVE', 'INVALID_ANNOTATION'].includes(warning.code ?? '')) warn(warning)
      },
    },
  },
  server: {
    proxy: Object.fromEntries(
      ['/users', '/messages', '/groups', '/chats', '/healthz', '/ws'].map((path) => [
        path,
        { target: server, ws: path === '/ws', changeOrigin: true },
      ]),
    ),
  },
  test: {
    include: ['tests/**/*.test.{ts,tsx}'],
    setupFiles: ['tests/setup.ts'],
    environment: 'node',
    testTimeout: 10_000,
  },
})
