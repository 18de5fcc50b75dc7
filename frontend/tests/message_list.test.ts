import { describe, expect, it } from 'vitest'
import type { Outgoing } from '../src/core/operation'
import {
  firstUnreadIndex,
  focusTarget,
  hasActions,
  isSameBlock,
  keyOf,
  readThrough,
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
  const messages = [5, 6, 7, 8].map((seq) => message(seq))
  const through = (readSeq: number, ...seen: number[]) => readThrough(messages, readSeq, new Set(seen), ME)

  it('moves over the messages that were seen, and stops before one that was not', () => {
    expect(through(4, 5, 6)).toBe(6)
    expect(through(4, 5, 7, 8)).toBe(5)
    expect(through(4, 6, 7, 8)).toBe(4)
    expect(through(6, 5, 6, 7, 8)).toBe(8)
    expect(through(8, 8)).toBe(8)
  })

  it('does not move if messages between are not loaded', () => {
    expect(through(3, 5, 6, 7, 8)).toBe(3)
    expect(readThrough([message(5), message(7)], 4, new Set([5, 7]), ME)).toBe(5)
    expect(readThrough([], 4, new Set([5]), ME)).toBe(4)
  })

  it('passes what does not count as unread, but only up to a message that was seen', () => {
    const mixed = [
      message(5, { sender_id: ME }),
      message(6, { kind: 'join', user_id: 9 }),
      message(7, { deleted: true, content: null }),
      message(8),
      message(9, { sender_id: ME }),
    ]
    expect(readThrough(mixed, 4, new Set([8]), ME)).toBe(8)
    expect(readThrough(mixed, 4, new Set([6]), ME)).toBe(6)
    expect(readThrough(mixed, 4, new Set(), ME)).toBe(4)
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
  // Five rows of 60 px in a list of 200 px, scrolled by 40 px.
  const boxes = [1, 2, 3, 4, 5].map((seq, i) => ({ seq, top: i * 60 - 40, bottom: i * 60 + 20 }))

  it('has the rows on the screen, and where the first one begins', () => {
    expect(viewportOf(boxes, 190, false)).toEqual({
      first: 1,
      last: 4,
      offset: -40,
      seen: [1, 2, 3],
      atEnd: false,
      showsDay: false,
    })
    expect(viewportOf(boxes.slice(1), 190, true)).toMatchObject({ first: 2, offset: 20, atEnd: true })
    expect(viewportOf([], 200, true)).toEqual({
      first: null,
      last: null,
      offset: 0,
      seen: [],
      atEnd: true,
      showsDay: false,
    })
  })

  it('the day of the first message is shown while its separator is on the screen', () => {
    const shows = (dayBottom?: number, second?: number) =>
      viewportOf(
        [
          { seq: 1, top: -60, bottom: 40, ...(dayBottom !== undefined && { dayBottom }) },
          { seq: 2, top: 40, bottom: 90, ...(second !== undefined && { dayBottom: second }) },
        ],
        200,
        false,
      ).showsDay
    expect(shows(4)).toBe(true)
    expect(shows(0)).toBe(false)
    expect(shows(-20, 70)).toBe(false)
    expect(shows()).toBe(false)
  })

  it('a message is seen when its end is on the screen', () => {
    expect(viewportOf(boxes, 190, false).seen).toEqual([1, 2, 3])
    expect(viewportOf(boxes, 199, false).seen).toEqual([1, 2, 3, 4])
    const tall = (top: number) => viewportOf([{ seq: 9, top, bottom: top + 900 }], 200, false)
    expect(tall(-300)).toMatchObject({ first: 9, last: 9, seen: [] })
    expect(tall(-700)).toMatchObject({ first: 9, last: 9, seen: [9] })
    expect(tall(-900)).toMatchObject({ first: null, seen: [] })
  })
})
