import 'fake-indexeddb/auto'
import { openDB } from 'idb'
import { expect, it } from 'vitest'
import { IndexedDbCacheStore } from '../src/core/cache_store'
import { ME, chat, message } from './fakes'

const session = { me: ME, epoch: 'first', people: [ME] }
const record = (chat_id: number) => ({
  chat_id,
  user_id: 1,
  epoch: 'first',
  chat: chat({ chat_id }),
  history: { mod: 1, messages: [message(1)], from: 1 },
})

it('is what was saved, in every tab', async () => {
  const store = new IndexedDbCacheStore()
  expect(await store.load()).toEqual({ session: null, chats: [] })
  await store.saveSession(session)
  await store.saveChats([record(2), record(3)], [])
  await store.saveChats([record(4)], [3])
  expect(await new IndexedDbCacheStore().load()).toEqual({ session, chats: [record(2), record(4)] })
})

it('is empty after it was erased', async () => {
  const store = new IndexedDbCacheStore()
  await store.saveSession(session)
  await store.saveChats([record(2)], [])
  await store.erase()
  expect(await store.load()).toEqual({ session: null, chats: [] })
})

it('makes way for a newer version, and is empty where that has written', async () => {
  const store = new IndexedDbCacheStore()
  await store.saveSession(session)
  const newer = await openDB('parley-cache', 99)
  await store.saveChats([record(2)], [])
  expect(await store.load()).toEqual({ session: null, chats: [] })
  expect(await new IndexedDbCacheStore().load()).toEqual({ session: null, chats: [] })
  newer.close()
})
