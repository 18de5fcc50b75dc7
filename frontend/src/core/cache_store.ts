// The storage of the cache: one IndexedDB database for all users of the browser.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { CachedChat, CachedSession, CacheStore } from './cache'

/** To be raised when the form of a record changes: the cache is then erased. */
const VERSION = 1

interface Schema extends DBSchema {
  session: { key: 'session'; value: CachedSession }
  chats: { key: number; value: CachedChat }
}

export class IndexedDbCacheStore implements CacheStore {
  private opened: Promise<IDBPDatabase<Schema>> | null = null

  private open(): Promise<IDBPDatabase<Schema>> {
    return (this.opened ??= openDB<Schema>('parley-cache', VERSION, {
      upgrade(db) {
        for (const name of db.objectStoreNames) db.deleteObjectStore(name)
        db.createObjectStore('session')
        db.createObjectStore('chats', { keyPath: 'chat_id' })
      },
      // A tab with a newer version of the page needs the database.
      blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    }))
  }

  async load(): ReturnType<CacheStore['load']> {
    try {
      const db = await this.open()
      const [session, chats] = await Promise.all([db.get('session', 'session'), db.getAll('chats')])
      return { session: session ?? null, chats }
    } catch {
      return { session: null, chats: [] }
    }
  }

  saveSession = (session: CachedSession) =>
    this.write(async (db) => void (await db.put('session', session, 'session')))

  saveChats = (chats: readonly CachedChat[], removed: readonly number[]) =>
    this.write(async (db) => {
      const tx = db.transaction('chats', 'readwrite')
      await Promise.all([
        ...chats.map((chat) => tx.store.put(chat)),
        ...removed.map((id) => tx.store.delete(id)),
        tx.done,
      ])
    })

  erase = () =>
    this.write(async (db) => {
      const tx = db.transaction(['session', 'chats'], 'readwrite')
      await Promise.all([tx.objectStore('session').clear(), tx.objectStore('chats').clear(), tx.done])
    })

  /** Without storage, or with a full disk, the page works without a cache. */
  private async write(work: (db: IDBPDatabase<Schema>) => Promise<void>): Promise<void> {
    try {
      await work(await this.open())
    } catch {
      // Nothing is kept.
    }
  }
}
