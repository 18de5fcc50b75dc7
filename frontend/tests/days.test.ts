// The change of the day, with a fake clock.

import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { daysAgo, onNewDay, startOfToday } from '../src/ui/days'

beforeEach(() => {
  vi.useFakeTimers()
  vi.setSystemTime(new Date(2026, 10, 27, 23, 59, 50))
  vi.stubGlobal('document', new EventTarget())
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('reports each midnight until the listener is removed', () => {
  const listener = vi.fn()
  const before = startOfToday()
  const remove = onNewDay(listener)
  vi.advanceTimersByTime(9_999)
  expect(listener).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1)
  expect(listener).toHaveBeenCalledTimes(1)
  expect(startOfToday()).toBe(before + 86_400_000)
  expect(daysAgo(new Date(2026, 10, 27, 23, 59))).toBe(1)
  vi.advanceTimersByTime(86_400_000)
  expect(listener).toHaveBeenCalledTimes(2)
  remove()
  expect(vi.getTimerCount()).toBe(0)
})

it('checks when the page becomes visible, because no timer runs during sleep', () => {
  const listener = vi.fn()
  const remove = onNewDay(listener)
  vi.setSystemTime(new Date(2026, 10, 28, 8, 0, 0))
  document.dispatchEvent(new Event('visibilitychange'))
  expect(listener).toHaveBeenCalledTimes(1)
  vi.advanceTimersByTime(16 * 3_600_000)
  expect(listener).toHaveBeenCalledTimes(2)
  remove()
})
