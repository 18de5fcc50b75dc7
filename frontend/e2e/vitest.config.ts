import process from 'node:process'
import { defineConfig } from 'vitest/config'
import { TIMEOUT_MS } from './server'

// Each file starts its own browser and daemon, and mostly waits: two of them run at a time.
export default defineConfig({
  cacheDir: '../node_modules/.vite-e2e',
  test: {
    root: new URL('.', import.meta.url).pathname,
    include: process.env.SCREENS ? ['screens.ts'] : ['*.test.ts'],
    environment: 'node',
    setupFiles: ['../tests/setup.ts'],
    minWorkers: 1,
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: TIMEOUT_MS } },
  },
})
