// The storage of the outbox: IndexedDB, or memory if the browser has none.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Outgoing, OutboxStore } from './outbox'

interface Schema extends DBSchema {
  outbox: { key: number; value: Outgoing; indexes: { client_id: string } }
}

const databaseName = (userId: number) => `parley-${userId}`

/** For browsers that store nothing, such as some private windows. Lost at a reload. */
export class MemoryOutboxStore implements OutboxStore {
  private rows: Outgoing[] = []
  private last = 0

  all = async () => [...this.rows]
  async add(entry: Omit<Outgoing, 'n'>): Promise<number> {
    this.rows.push({ ...entry, n: ++this.last })
    return this.last
  }
  async put(entry: Outgoing): Promise<void> {
    this.rows = this.rows.map((row) => (row.client_id === entry.client_id ? entry : row))
  }
  async remove(clientId: string): Promise<void> {
    this.rows = this.rows.filter((row) => row.client_id !== clientId)
  }
  async clear(): Promise<void> {
    this.rows = []
  }
}

class IndexedDbOutboxStore implements OutboxStore {
  /** Entries that the database refused. A full disk must not prevent sending. */
  private readonly unsaved = new MemoryOutboxStore()

  constructor(private readonly db: IDBPDatabase<Schema>) {}

  async all(): Promise<Outgoing[]> {
    const [saved, unsaved] = await Promise.all([this.db.getAll('outbox'), this.unsaved.all()])
    return [...saved, ...unsaved]
  }

  async add(entry: Omit<Outgoing, 'n'>): Promise<number> {
    try {
      // The database assigns n and stores it in the row.
      return await this.db.add('outbox', entry as Outgoing)
    } catch {
      return this.unsaved.add(entry)
    }
  }

  async put(entry: Outgoing): Promise<void> {
    await this.unsaved.put(entry)
    const tx = this.db.transaction('outbox', 'readwrite')
    // An entry that another tab removed meanwhile is not added again.
    const key = await tx.store.index('client_id').getKey(entry.client_id)
    if (key !== undefined) await tx.store.put({ ...entry, n: key })
    await tx.done
  }

  async remove(clientId: string): Promise<void> {
    await this.unsaved.remove(clientId)
    const tx = this.db.transaction('outbox', 'readwrite')
    const key = await tx.store.index('client_id').getKey(clientId)
    if (key !== undefined) await tx.store.delete(key)
    await tx.done
  }

  async clear(): Promise<void> {
    await this.unsaved.clear()
    await this.db.clear('outbox')
  }
}

/** Opens the outbox of one user in this browser. */
export async function openOutboxStore(userId: number): Promise<OutboxStore> {
  try {
    const db = await openDB<Schema>(databaseName(userId), 1, {
      upgrade(fresh) {
        const outbox = fresh.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true })
        outbox.createIndex('client_id', 'client_id', { unique: true })
      },
    })
    return new IndexedDbOutboxStore(db)
  } catch {
    return new MemoryOutboxStore()
  }
}
