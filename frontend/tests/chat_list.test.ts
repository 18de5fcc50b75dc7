import { describe, expect, it } from 'vitest'
import { sortChats, withDeleted, withMessage, withRead } from '../src/core/chat'
import { ChatList } from '../src/core/chat_list'
import { applyPage, emptyHistory, type History } from '../src/core/history'
import { createAppStore } from '../src/core/state'
import type { Chat, Deleted } from '../src/core/types'
import { chat, message } from './fakes'

function list(...ids: number[]) {
  const store = createAppStore()
  const chats = new ChatList(store)
  const read = (...page: number[]) =>
    chats.addPage(page.map((chat_id) => chat({ chat_id, last_seq: 1, last_mod: 1 })))
  chats.beginList()
  read(...ids)
  chats.endList()
  const order = (queued: [number, number][] = []) =>
    sortChats(store.getState().chats.values(), new Map(queued)).map((c) => c.chat_id)
  return { chats, order, read }
}

const received = (chats: ChatList, chat_id: number, seq: number, fields = {}) =>
  chats.update(chat_id, (known) => withMessage(known, message(seq, { chat_id, ...fields }), 1))

it('keeps the order of the server, whatever the clock of the last messages', () => {
  const { chats, order } = list(5, 7, 6)
  expect(order()).toEqual([5, 7, 6])
  received(chats, 6, 2, { sent_at: '2001-01-01T00:00:00.000Z' })
  expect(order()).toEqual([6, 5, 7])
})

it('is not changed by an edit', () => {
  const { chats, order } = list(5, 7)
  received(chats, 7, 1, { mod: 2, edited_at: message(9).sent_at })
  expect(order()).toEqual([5, 7])
})

it('puts a new chat first, and before it one with a message in the outbox', () => {
  const { chats, order } = list(5, 7, 6)
  chats.put(chat({ chat_id: 8 }))
  expect(order()).toEqual([8, 5, 7, 6])
  expect(order([[7, 10], [6, 20]])).toEqual([6, 7, 8, 5])
})

it('keeps what a push changed while the list was read', () => {
  const { chats, order, read } = list(5, 7, 6)
  chats.beginList()
  received(chats, 6, 2)
  read(5, 7)
  expect(chats.endList()).toEqual([6])
  expect(order()).toEqual([6, 5, 7])
})

it('orders chats with messages during the request by their last one', () => {
  const { chats, order, read } = list(5, 7, 6)
  chats.beginList()
  received(chats, 6, 2)
  received(chats, 7, 2)
  received(chats, 6, 3)
  read(5, 7, 6)
  chats.endList()
  expect(order()).toEqual([6, 7, 5])
})

it('puts each page before the chats that no page has listed yet, and drops those after the last one', () => {
  const { chats, order, read } = list(1, 2, 3, 4)
  chats.beginList()
  read(3, 5)
  expect(order()).toEqual([3, 5, 1, 2, 4])
  read(1, 4)
  expect(order()).toEqual([3, 5, 1, 4, 2])
  expect(chats.endList()).toEqual([])
  expect(order()).toEqual([3, 5, 1, 4])
})

describe('the unread count', () => {
  const ME = 1
  const deleted = (seq: number, mod: number): Deleted => ({ type: 'deleted', chat_id: 2, message_id: 1000 + seq, seq, mod })
  const unread = (last_seq: number, fields: Partial<Chat> = {}) =>
    chat({ last_seq, last_mod: last_seq, unread: last_seq, last_message: message(last_seq), ...fields })
  const history = (from: number, to: number): History =>
    applyPage(emptyHistory(to), {
      from,
      to,
      messages: Array.from({ length: to - from + 1 }, (_, i) => message(from + i)),
    })
  const remove = (known: Chat, seq: number, mod: number) => withDeleted(known, deleted(seq, mod))

  it('is lowered by a deletion: two texts, both deleted, another text', () => {
    let known = withMessage(withMessage(chat(), message(1), ME), message(2), ME)
    expect(known.unread).toBe(2)
    known = remove(known, 1, 3)
    expect(known.unread).toBe(1)
    known = remove(known, 2, 4)
    expect(known.unread).toBe(0)
    known = withMessage(known, message(3, { mod: 5 }), ME)
    expect(known.unread).toBe(1)
  })

  it('is lowered by a message that comes deleted, once', () => {
    const gone = message(2, { mod: 4, deleted: true, content: null })
    const known = withMessage(unread(3), gone, ME)
    expect(known.unread).toBe(2)
    expect(withMessage(known, gone, ME).unread).toBe(2)
    expect(withMessage(chat(), message(1, { deleted: true, content: null }), ME).unread).toBe(0)
  })

  it('is not lowered by a deletion that the list included', () => {
    expect(remove(unread(3, { last_mod: 9 }), 2, 9).unread).toBe(3)
  })

  it('is lowered by a deletion also among events, deleted texts and messages that are not loaded', () => {
    expect(remove(unread(5, { unread: 3 }), 2, 6).unread).toBe(2)
    expect(withMessage(unread(5, { unread: 3 }), message(2, { mod: 6, deleted: true, content: null }), ME).unread).toBe(2)
  })

  it('is not lowered if the message was read', () => {
    expect(remove(unread(5, { read_seq: 2, unread: 3 }), 2, 6).unread).toBe(3)
  })

  it('after reading in the middle is exact if what was read is loaded', () => {
    const known = unread(500, { read_seq: 1, unread: 480 })
    expect(withRead(known, ME, 30, ME, history(1, 60))).toMatchObject({ read_seq: 30, unread: 451 })
    expect(withRead(known, ME, 30, ME, undefined)).toMatchObject({ read_seq: 30, unread: 470 })
  })
})
