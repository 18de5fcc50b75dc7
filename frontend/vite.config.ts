import process from 'node:process'
import { defineConfig } from 'vitest/config'

// Where `npm run dev` finds a running parleyd.
const server = process.env.PARLEY_URL ?? 'http://localhost:8080'

export default defineConfig({
  esbuild: { jsx: 'automatic' },
  build: {
    target: 'es2022',
    outDir: 'dist',
    // The page runs under `default-src 'self'`: every asset is a file of its own, nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      onwarn(warning, warn) {
        // Marks in libraries, for servers that render React and for other bundlers.
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
    include: ['tests/**/*.test.ts'],
    setupFiles: ['tests/setup.ts'],
    environment: 'node',
    testTimeout: 10_000,
  },
})
