import type { Clock } from './clock'

export const BACKOFF_BASE_MS = 1_000
export const BACKOFF_CAP_MS = 30_000

/**
 * How long to wait before attempt number `attempt` (0, 1, 2, …): a random part of a delay that
 * doubles, so that a thousand pages whose server restarts do not come back in the same moment.
 */
export function backoffMs(attempt: number, clock: Pick<Clock, 'random'>): number {
  const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16))
  return Math.round(100 + clock.random() * (ceiling - 100))
}
