// Runs before each test file, also before the browser tests.

import { webcrypto } from 'node:crypto'
import process from 'node:process'

// Node 18 has no global crypto.
globalThis.crypto ??= webcrypto as Crypto

// A worker whose vitest was killed cannot report to it: the error of that is reported, too, and so on.
process.once('disconnect', () => process.exit(1))
