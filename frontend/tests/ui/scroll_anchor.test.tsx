// @vitest-environment jsdom

import { renderHook } from '@testing-library/react'
import type { VirtualizerHandle } from 'virtua'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { useScrollAnchor } from '../../src/ui/messages/useScrollAnchor'
import { message } from '../fakes'
import './page'

const HEIGHT = 500
const ROW = 100
const messages = Array.from({ length: 100 }, (_, i) => message(i + 1))

/** Rows of one height. The list gives up the first `failures` scrolls, as virtua does if rows are not measured in time. */
function fakeList(failures: number) {
  const scroller = document.createElement('div')
  Object.defineProperties(scroller, { clientHeight: { value: HEIGHT }, scrollHeight: { value: messages.length * ROW } })
  for (const { seq } of messages) {
    const row = document.createElement('div')
    row.className = 'row'
    row.dataset.seq = String(seq)
    row.getBoundingClientRect = () => new DOMRect(0, (seq - 1) * ROW - scroller.scrollTop, 300, ROW)
    scroller.appendChild(document.createElement('div')).appendChild(row)
  }
  scroller.scrollTop = 1_000
  const scrollToIndex = vi.fn((index: number, { align, offset = 0 }: { align?: string; offset?: number } = {}) => {
    if (scrollToIndex.mock.calls.length <= failures) return
    scroller.scrollTop = align === 'end' ? (index + 1) * ROW - HEIGHT : index * ROW + offset
  })
  return { scroller, scrollToIndex, list: { scrollToIndex } as unknown as VirtualizerHandle }
}

function open(failures: number, target: { seq: number; offset: number } | null) {
  const { scroller, scrollToIndex, list } = fakeList(failures)
  const onViewport = vi.fn()
  const options = {
    list: { current: list },
    scroller: { current: scroller },
    items: messages,
    messages,
    isLive: true,
    loaded: true,
    target,
    viewKey: 0,
    firstUnseen: () => -1,
    onViewport,
  }
  const { result } = renderHook(() => useScrollAnchor(options))
  vi.advanceTimersByTime(5_000)
  return { scroller, scrollToIndex, onViewport, anchor: result.current }
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('ResizeObserver', class { observe() {} disconnect() {} })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

it('reaches the end although the list gives up scrolls', () => {
  const { scroller, onViewport, anchor } = open(4, null)
  expect(scroller.scrollTop).toBe(messages.length * ROW - HEIGHT)
  expect(anchor.isFollowing()).toBe(true)
  expect(onViewport).toHaveBeenLastCalledWith(expect.objectContaining({ last: 100, atEnd: true }))
})

it('reaches a message although the list gives up scrolls', () => {
  const { scroller, onViewport, anchor } = open(4, { seq: 31, offset: 40 })
  expect(scroller.scrollTop).toBe(30 * ROW - 40)
  expect(anchor.isFollowing()).toBe(false)
  expect(onViewport).toHaveBeenLastCalledWith(expect.objectContaining({ first: 30, atEnd: false }))
})

it('gives up in the end, and says what is on the screen', () => {
  const { scroller, scrollToIndex, onViewport } = open(1_000, null)
  expect(scroller.scrollTop).toBe(1_000)
  expect(scrollToIndex.mock.calls.length).toBeLessThan(20)
  expect(onViewport).toHaveBeenLastCalledWith(expect.objectContaining({ first: 11, atEnd: false }))
})
