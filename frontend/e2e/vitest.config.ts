import { defineConfig } from 'vitest/config'

// Real browsers against a real daemon; each file has both for itself, and much of what it does is waiting.
export default defineConfig({
  cacheDir: '../node_modules/.vite-e2e',
  test: {
    root: new URL('.', import.meta.url).pathname,
    include: ['*.test.ts'],
    environment: 'node',
    minWorkers: 1,
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 90_000,
  },
})
