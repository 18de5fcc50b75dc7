// @vitest-environment jsdom

import { act, renderHook } from '@testing-library/react'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { useView } from '../../src/ui/messages/useView'
import { chat, message } from '../fakes'
import { setState } from './page'

const upTo = (seq: number) => ({
  chats: new Map([[2, chat({ last_seq: seq, last_mod: seq, read_seq: seq })]]),
  histories: new Map([[2, historyUpTo(seq)]]),
})

const historyUpTo = (seq: number) => ({
  segments: [{ from: 1, to: Infinity, messages: Array.from({ length: seq }, (_, i) => message(i + 1)) }],
  mod: seq,
  ahead: [],
  buffered: null,
  deferred: [],
})

/** The page has started from its cache, which ends at seq 5, and a link names seq 9. */
const open = () => renderHook(() => useView(chat({ last_seq: 5 }), 1, 9))

beforeEach(() => {
  vi.useFakeTimers()
  setState({ ...upTo(5), socket: 'connecting', disconnectedAt: 0, chatListLoaded: false })
})
afterEach(() => {
  vi.useRealTimers()
})

it('waits for a linked message that is newer than the cache', () => {
  const { result } = open()
  expect(result.current).toMatchObject({ segment: undefined, items: [] })
  act(() => setState({ socket: 'ready', disconnectedAt: null, catchingUp: true }))
  expect(result.current.segment).toBeUndefined()
  // The list is corrected; the messages are on their way.
  act(() => setState({ chats: upTo(10).chats, chatListLoaded: true, catchingUp: false }))
  expect(result.current.segment).toBeUndefined()
  act(() => setState({ histories: upTo(10).histories }))
  expect(result.current.messages).toHaveLength(10)
  expect(result.current.target?.seq).toBe(9)
})

it('shows the newest message in place of one that is not there', () => {
  const { result } = open()
  act(() => setState({ ...upTo(6), socket: 'ready', disconnectedAt: null, chatListLoaded: true }))
  expect(result.current.messages).toHaveLength(6)
})

it('shows the end of the cache if the server cannot be reached', () => {
  const { result } = open()
  act(() => void vi.advanceTimersByTime(3_000))
  expect(result.current.segment).toBeUndefined()
  act(() => void vi.advanceTimersByTime(2_000))
  expect(result.current.messages).toHaveLength(5)
  expect(result.current.target).toBeNull()
})
