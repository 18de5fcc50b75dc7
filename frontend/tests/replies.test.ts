import { describe, expect, it } from 'vitest'
import {
  applyAck,
  applyDeleted,
  applyMessage,
  applyPage,
  applyPush,
  applySync,
  beginPage,
  emptyHistory,
  messageAt,
  type History,
} from '../src/core/history'
import { quoteOf, threadOf } from '../src/core/replies'
import type { Message } from '../src/core/types'
import { message } from './fakes'

/** A reply to a message that `message()` made. */
const reply = (seq: number, to: number, fields: Partial<Message> = {}) =>
  message(seq, { reply: quoteOf(message(to)), thread_id: 1000 + to, ...fields })
/** A history whose live segment has messages 1 to 3; the second has `replies`. */
const loaded = (replies = 0): History =>
  applyPage(beginPage(emptyHistory(3)), {
    from: 1,
    to: Infinity,
    messages: [message(1), message(2, { replies }), message(3)],
  })
const repliesOf = (history: History, seq: number) => messageAt(history, seq)?.replies
const quoteIn = (history: History, seq: number) => messageAt(history, seq)?.reply

describe('the number of replies', () => {
  it('grows with each new reply, however it arrives', () => {
    let history = applyPush(loaded(4), reply(4, 2), true)
    history = applyAck(history, reply(5, 2), 5)
    history = applySync(history, [reply(6, 2), reply(7, 2)])
    history = applyMessage(history, reply(8, 2))
    expect(repliesOf(history, 2)).toBe(9)
    expect(repliesOf(history, 1)).toBeUndefined()
  })

  it('does not grow with a repeat, a change of a reply, or a page of earlier messages', () => {
    let history = applyPush(loaded(), reply(4, 2), true)
    history = applyPush(history, reply(4, 2), true)
    history = applyPush(history, reply(4, 2, { mod: 5, edited_at: 'now' }))
    history = applyDeleted(history, { type: 'deleted', chat_id: 2, message_id: 1004, seq: 4, mod: 6 })
    expect(repliesOf(history, 2)).toBe(1)
    const page = applyPage(emptyHistory(9), { from: 9, to: Infinity, messages: [message(9)] })
    const earlier = applyPage(page, { from: 1, to: 8, messages: [message(2, { replies: 1 }), reply(4, 2)] })
    expect(repliesOf(earlier, 2)).toBe(1)
  })

  it('grows with a new reply while the newest messages are not loaded', () => {
    const part = applyPage(emptyHistory(90), { from: 1, to: 3, messages: [message(1), message(2), message(3)] })
    expect(repliesOf(applyPush(part, reply(91, 2), true), 2)).toBe(1)
    // An edit of a reply that is not loaded is no new reply.
    expect(repliesOf(applyPush(part, reply(80, 2, { mod: 91, edited_at: 'now' })), 2)).toBeUndefined()
  })

  it('is kept by a push, which lacks it', () => {
    const edited = applyPush(loaded(3), message(2, { mod: 4, content: 'new', edited_at: 'now' }))
    expect(messageAt(edited, 2)).toMatchObject({ content: 'new', replies: 3 })
  })
})

describe('a quote', () => {
  it('has the first 200 code points of a text, and nothing of a deleted one', () => {
    expect(quoteOf(message(1, { content: '😀'.repeat(300) })).content).toBe('😀'.repeat(200))
    expect(quoteOf(message(1, { content: null, deleted: true }))).toMatchObject({ content: null, deleted: true })
  })

  it('follows an edit and a deletion of its message', () => {
    let history = applyPush(loaded(), reply(4, 2), true)
    history = applyPush(history, message(2, { mod: 5, content: 'new', edited_at: 'now' }))
    expect(quoteIn(history, 4)).toMatchObject({ content: 'new', sender_id: 2, deleted: false })
    history = applyDeleted(history, { type: 'deleted', chat_id: 2, message_id: 1002, seq: 2, mod: 6 })
    expect(quoteIn(history, 4)).toEqual({ message_id: 1002, seq: 2, sender_id: 2, content: null, deleted: true })
  })

  it('of a message in another segment follows it as well', () => {
    const part = applyPage(loaded(), { from: 300, to: 301, messages: [reply(300, 2), message(301)] })
    const history = applyPush(part, message(2, { mod: 5, content: 'new', edited_at: 'now' }))
    expect(quoteIn(history, 300)?.content).toBe('new')
  })

  it('leads to the thread of its message', () => {
    expect(threadOf(message(4))).toBe(1004)
    expect(threadOf(reply(5, 2))).toBe(1002)
  })
})
