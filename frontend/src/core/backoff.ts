import type { Clock } from './clock'

export const BACKOFF_BASE_MS = 1_000
export const BACKOFF_CAP_MS = 30_000

/**
 * The delay before attempt number `attempt` (from 0): a random part of a value that doubles. The
 * random part keeps many pages from reconnecting at the same moment after a restart of the server.
 */
export function backoffMs(attempt: number, clock: Pick<Clock, 'random'>): number {
  const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16))
  return Math.round(100 + clock.random() * (ceiling - 100))
}
