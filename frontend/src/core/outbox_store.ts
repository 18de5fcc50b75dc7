// The storage of the outbox: IndexedDB, or memory if the browser has none.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Operation, OutboxStore } from './outbox'

interface Schema extends DBSchema {
  outbox: { key: number; value: Operation; indexes: { client_id: string } }
}

const databaseName = (userId: number) => `parley-${userId}`

/** For browsers that store nothing, such as some private windows. Lost at a reload. */
export class MemoryOutboxStore implements OutboxStore {
  private rows: Operation[] = []
  private last = 0

  all = async () => [...this.rows]
  async add(operation: Operation): Promise<number> {
    this.rows.push({ ...operation, n: ++this.last })
    return this.last
  }
  async update(clientId: string, change: (stored: Operation) => Operation): Promise<Operation | undefined> {
    const index = this.rows.findIndex((row) => row.client_id === clientId)
    return index < 0 ? undefined : (this.rows[index] = change(this.rows[index]!))
  }
  async remove(clientId: string): Promise<void> {
    this.rows = this.rows.filter((row) => row.client_id !== clientId)
  }
  async clear(): Promise<void> {
    this.rows = []
  }
}

/** A row as it was stored, perhaps by a version of the page that could only send. */
const complete = (row: Operation): Operation => ({ ...row, kind: row.kind ?? 'send', epoch: row.epoch ?? null }) as Operation

class IndexedDbOutboxStore implements OutboxStore {
  /** Operations that the database refused. A full disk must not prevent sending. */
  private readonly unsaved = new MemoryOutboxStore()

  constructor(private readonly db: IDBPDatabase<Schema>) {}

  async all(): Promise<Operation[]> {
    const [saved, unsaved] = await Promise.all([this.db.getAll('outbox'), this.unsaved.all()])
    return [...saved.map(complete), ...unsaved]
  }

  async add(operation: Operation): Promise<number> {
    const { n: _, ...fields } = operation
    try {
      // The database assigns n and stores it in the row.
      return await this.db.add('outbox', fields as Operation)
    } catch {
      return this.unsaved.add(operation)
    }
  }

  async update(clientId: string, change: (stored: Operation) => Operation): Promise<Operation | undefined> {
    const unsaved = await this.unsaved.update(clientId, change)
    if (unsaved !== undefined) return unsaved
    const tx = this.db.transaction('outbox', 'readwrite')
    const row = await tx.store.index('client_id').get(clientId)
    const changed = row && change(complete(row))
    if (changed !== undefined) await tx.store.put(changed)
    await tx.done
    return changed
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
