import { expect, it } from 'vitest'
import { sortChats, withMessage } from '../src/core/chat'
import { ChatList } from '../src/core/chat_list'
import { createAppStore } from '../src/core/state'
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
