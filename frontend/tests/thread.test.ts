import { beforeEach, describe, expect, it } from 'vitest'
import type { Outgoing } from '../src/core/operation'
import { inEpoch, isEditable } from '../src/core/outbox'
import { quoteOf } from '../src/core/replies'
import type { Messenger } from '../src/core/messenger'
import type { Message } from '../src/core/types'
import { Harness, chat, flushMicrotasks, message } from './fakes'

let harness: Harness
let messenger: Messenger

/** A reply in the thread of the first message. */
const reply = (seq: number, fields: Partial<Message> = {}) =>
  message(seq, { reply: quoteOf(message(1)), thread_id: 1001, ...fields })
const shown = () => messenger.store.getState().thread?.messages.map(({ seq }) => seq)

beforeEach(async () => {
  harness = new Harness()
  harness.messages = [message(1), message(2), reply(3)]
  harness.chats = [chat({ last_seq: 3, last_mod: 3, read_seq: 3, last_message: message(3) })]
  messenger = await harness.start()
  messenger.timeline.show(2, null)
  messenger.open(2)
  await flushMicrotasks()
})

/** Makes the server answer with pages of a thread of these seqs. */
function serveThread(seqs: readonly number[], limit = 50): void {
  harness.api.handlers.set('GET /messages/2', (_, path) => {
    const query = new URLSearchParams(path.split('?')[1])
    expect(query.get('thread')).toBe('1001')
    const before = Number(query.get('before') ?? Infinity)
    const earlier = seqs.filter((seq) => seq < before).reverse()
    const page = earlier.slice(0, limit)
    return {
      messages: page.map((seq) => (seq === 1 ? message(1) : reply(seq))),
      more: earlier.length > page.length,
    }
  })
}

describe('a reply', () => {
  it('names its message, and shows it before and after the ack', async () => {
    messenger.operations.send(2, 'answer', message(1))
    expect(messenger.store.getState().outbox).toMatchObject([{ reply: { content: 'text 1' }, thread_id: 1001 }])
    await flushMicrotasks()
    const send = harness.socket.ofType('send').at(-1)!
    expect(send).toMatchObject({ content: 'answer', reply_to: 1001 })
    harness.socket.receive({ type: 'ack', id: send.id, message_id: 1004, chat_id: 2, seq: 4, mod: 4 })
    await flushMicrotasks()
    const messages = messenger.timeline.get(2)!.segments[0]!.messages
    expect(messages.at(-1)).toMatchObject({ seq: 4, reply: quoteOf(message(1)), thread_id: 1001 })
    expect(messages[0]).toMatchObject({ replies: 1 })
  })

  it('to a reply belongs to the same thread', async () => {
    messenger.operations.send(2, 'answer', reply(3))
    expect(messenger.store.getState().outbox).toMatchObject([{ reply: { message_id: 1003 }, thread_id: 1001 }])
  })

  it('of a former epoch is kept as a refused message without its ids', () => {
    const queued: Outgoing = {
      kind: 'send',
      n: 1,
      client_id: 'c',
      chat_id: 2,
      content: 'answer',
      created_at: '',
      epoch: 'first',
      reply: quoteOf(message(1)),
      thread_id: 1001,
    }
    const kept = inEpoch(queued, 'second')!
    expect(kept).toMatchObject({ content: 'answer', refused: 'former_epoch' })
    for (const name of ['reply', 'thread_id', 'forward']) expect(kept).not.toHaveProperty(name)
    expect(inEpoch(kept, 'second')).toBe(kept)
    expect(isEditable({ ...queued, forward: { message_id: 1, from: { user_id: 2, full_name: 'Bo' } } })).toBe(false)
  })
})

describe('a forward', () => {
  it('is sent to each chat, with its first author', async () => {
    const asked: unknown[] = []
    harness.api.handlers.set('POST /messages/forward', (body) => {
      asked.push(body)
      return message(4, { sender_id: 1, forwarded_from: { user_id: 2, full_name: 'Bo' } })
    })
    messenger.operations.forward(message(1), [2, 1])
    expect(messenger.store.getState().outbox).toMatchObject([
      { chat_id: 2, content: 'text 1', forward: { message_id: 1001, from: { user_id: 2, full_name: 'Bo' } } },
      { chat_id: 1 },
    ])
    await flushMicrotasks()
    await flushMicrotasks()
    expect(asked).toMatchObject([
      { message_id: 1001, receiver_id: 2 },
      { message_id: 1001, receiver_id: 1 },
    ])
    expect(messenger.store.getState().outbox).toEqual([])
    expect(harness.socket.ofType('send')).toEqual([])
  })

  it('of a forward keeps the first author', () => {
    messenger.operations.forward(message(1, { forwarded_from: { user_id: 7, full_name: 'Fay' } }), [2])
    expect(messenger.store.getState().outbox).toMatchObject([{ forward: { from: { user_id: 7, full_name: 'Fay' } } }])
  })
})

describe('a thread', () => {
  it('has its first message and the replies, also those that the chat has not loaded', async () => {
    serveThread([1, 3, 40, 41])
    messenger.thread.open(2, 1001, harness.messages)
    expect(shown()).toEqual([1, 3])
    await flushMicrotasks()
    expect(shown()).toEqual([1, 3, 40, 41])
    expect(messenger.store.getState().thread).toMatchObject({ more: false, state: 'loaded' })
  })

  it('loads earlier replies page by page, with the first message at the top', async () => {
    serveThread([1, 10, 11, 12, 13], 2)
    messenger.thread.open(2, 1001, [message(1)])
    await flushMicrotasks()
    expect(shown()).toEqual([1, 12, 13])
    expect(messenger.store.getState().thread?.more).toBe(true)
    messenger.thread.loadEarlier()
    await flushMicrotasks()
    expect(shown()).toEqual([1, 10, 11, 12, 13])
    messenger.thread.loadEarlier()
    await flushMicrotasks()
    expect(messenger.store.getState().thread?.more).toBe(false)
  })

  it('gets new replies, edits and deletions, and no other messages', async () => {
    serveThread([1, 3])
    messenger.thread.open(2, 1001, [])
    await flushMicrotasks()
    harness.socket.receive({ type: 'message', ...reply(4, { reply: quoteOf(message(3)) }) })
    harness.socket.receive({ type: 'message', ...message(5) })
    harness.socket.receive({ type: 'edited', ...reply(3, { mod: 6, content: 'new', edited_at: 'now' }) })
    expect(shown()).toEqual([1, 3, 4])
    const { messages } = messenger.store.getState().thread!
    expect(messages[1]).toMatchObject({ content: 'new' })
    expect(messages[2]!.reply).toMatchObject({ content: 'new' })
    harness.socket.receive({ type: 'deleted', chat_id: 2, message_id: 1003, seq: 3, mod: 7 })
    expect(messenger.store.getState().thread!.messages[1]).toMatchObject({ deleted: true, sender_id: 2 })
  })

  it('follows reactions and pins', async () => {
    serveThread([1, 3])
    messenger.thread.open(2, 1001, [])
    await flushMicrotasks()
    const of = { chat_id: 2, message_id: 1003, seq: 3, user_id: 2 }
    harness.socket.receive({ type: 'reaction', ...of, mod: 4, emoji: '👍', on: true })
    harness.socket.receive({ type: 'pinned', ...of, mod: 5, pinned: true })
    const inThread = () => messenger.store.getState().thread?.messages.find(({ seq }) => seq === 3)
    expect(inThread()).toMatchObject({ pinned: true, reactions: [{ emoji: '👍', count: 1, mine: false }] })
    harness.socket.receive({ type: 'reaction', ...of, mod: 6, emoji: '👍', on: false })
    expect(inThread()).toMatchObject({ reactions: [] })
  })

  it('is loaded again after a new connection, and says so if that fails', async () => {
    serveThread([1, 3])
    messenger.thread.open(2, 1001, [])
    await flushMicrotasks()
    serveThread([1, 3, 8])
    harness.socket.closeFromServer(1006)
    await harness.clock.advance(10_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(shown()).toEqual([1, 3, 8])
    harness.api.handlers.delete('GET /messages/2')
    messenger.thread.refresh()
    await flushMicrotasks()
    expect(messenger.store.getState().thread).toMatchObject({ state: 'failed' })
    expect(shown()).toEqual([1, 3, 8])
  })

  it('goes with its chat and with its epoch', async () => {
    serveThread([1, 3])
    messenger.thread.open(2, 1001, [])
    harness.socket.receive({ type: 'chat_removed', chat_id: 2 })
    expect(messenger.store.getState().thread).toBeNull()
  })
})
