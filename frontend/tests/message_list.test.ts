import { describe, expect, it } from 'vitest'
import type { Outgoing } from '../src/core/outbox'
import {
  firstUnreadIndex,
  focusTarget,
  hasActions,
  isSameBlock,
  keyOf,
  lastStoredSeq,
} from '../src/ui/messages/items'
import { viewportOf } from '../src/ui/messages/viewport'
import { message } from './fakes'

const ME = 1

const queued: Outgoing = {
  kind: 'send',
  epoch: null,
  n: 1,
  client_id: 'c1',
  chat_id: 2,
  content: 'queued',
  created_at: message(3).sent_at,
}

describe('a block', () => {
  it('is messages of one sender within five minutes', () => {
    const later = (ms: number) => new Date(Date.parse(message(1).sent_at) + ms).toISOString()
    expect(isSameBlock(message(1), message(2, { sent_at: later(299_999) }), ME)).toBe(true)
    expect(isSameBlock(message(1), message(2, { sent_at: later(300_000) }), ME)).toBe(false)
    expect(isSameBlock(message(1), message(2, { sender_id: 3 }), ME)).toBe(false)
  })

  it('has no joins and no end of the list', () => {
    const join = message(2, { kind: 'join', user_id: 2 })
    expect(isSameBlock(message(1), join, ME)).toBe(false)
    expect(isSameBlock(join, join, ME)).toBe(false)
    expect(isSameBlock(undefined, message(1), ME)).toBe(false)
    expect(isSameBlock(message(1), undefined, ME)).toBe(false)
  })

  it('includes own messages in the outbox', () => {
    expect(isSameBlock(message(2, { sender_id: ME }), queued, ME)).toBe(true)
    expect(isSameBlock(message(2), queued, ME)).toBe(false)
  })
})

describe('a row', () => {
  it('has the same key before and after the ack', () => {
    expect(keyOf(queued)).toBe(keyOf(message(4, { client_id: 'c1' })))
    expect(keyOf(message(4))).toBe('m1004')
  })

  it('has actions unless it is an event or deleted', () => {
    expect(hasActions(queued)).toBe(true)
    expect(hasActions(message(1))).toBe(true)
    expect(hasActions(message(1, { deleted: true, content: null }))).toBe(false)
    expect(hasActions(message(1, { kind: 'rename', name: 'G' }))).toBe(false)
  })
})

describe('the unread marker', () => {
  it('is at the first message of others after the read mark', () => {
    const messages = [message(5), message(6, { sender_id: ME }), message(7)]
    expect(firstUnreadIndex(messages, 4, ME)).toBe(0)
    expect(firstUnreadIndex(messages, 5, ME)).toBe(2)
    expect(firstUnreadIndex(messages, 7, ME)).toBe(-1)
    expect(firstUnreadIndex([], 0, ME)).toBe(-1)
  })
})

describe('the read mark', () => {
  it('is the last stored message on the screen', () => {
    const items = [message(1), message(2), queued]
    expect(lastStoredSeq(items, 2)).toBe(2)
    expect(lastStoredSeq(items, 0)).toBe(1)
    expect(lastStoredSeq([queued], 0)).toBeNull()
    expect(lastStoredSeq([], -1)).toBeNull()
  })
})

describe('keyboard navigation', () => {
  it('moves between the rows and stops at both ends', () => {
    expect(focusTarget('ArrowUp', 2, 3)).toBe(1)
    expect(focusTarget('ArrowUp', 0, 3)).toBeUndefined()
    expect(focusTarget('ArrowDown', 1, 3)).toBe(2)
    expect(focusTarget('ArrowDown', 2, 3)).toBeUndefined()
    expect(focusTarget('Home', 2, 3)).toBe(0)
    expect(focusTarget('End', 0, 3)).toBe(2)
  })

  it('begins at the last row', () => {
    expect(focusTarget('ArrowUp', -1, 3)).toBe(2)
    expect(focusTarget('ArrowUp', -1, 0)).toBeUndefined()
  })

  it('ignores other keys', () => {
    expect(focusTarget('a', 1, 3)).toBeUndefined()
    expect(focusTarget('Enter', 1, 3)).toBeUndefined()
  })
})

describe('the viewport', () => {
  // 100 rows of 20 px in a window of 200 px.
  const at = (scrollOffset: number) => ({
    scrollOffset,
    scrollSize: 2_000,
    viewportSize: 200,
    findItemIndex: (offset: number) => Math.floor(offset / 20),
  })

  it('ends with the last row of which 24 px are visible', () => {
    expect(viewportOf(at(400), 100)).toEqual({ first: 20, last: 28, atEnd: false })
  })

  it('is at the end within 80 px of it', () => {
    expect(viewportOf(at(1_720), 100)).toMatchObject({ last: 94, atEnd: false })
    expect(viewportOf(at(1_721), 100)).toMatchObject({ last: 99, atEnd: true })
  })
})
