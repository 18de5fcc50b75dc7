// Node 18 has no global crypto.
import { webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto as Crypto
