// The storage of the outbox: IndexedDB, or memory if the browser has none.
//
// Tabs with different versions of the page share the database. A tab reads only rows of its own version and of older ones:
// an older page must not carry out an operation that it does not know. It lets a newer page upgrade the database, and
// goes on with it. All versions keep the object store, its key and its index.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Operation } from './operation'
import type { OutboxStore } from './outbox'

/** To be raised when operations get a kind or a field that the page before it does not carry out. */
export const OUTBOX_VERSION = 3

type Row = Operation & {
  /** The version of the page that wrote it; absent in version 1. */
  version?: number
}

interface Schema extends DBSchema {
  outbox: { key: number; value: Row; indexes: { client_id: string } }
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
const complete = (row: Row): Operation => ({ ...row, kind: row.kind ?? 'send', epoch: row.epoch ?? null }) as Operation

const isKnown = (row: Row) => (row.version ?? 1) <= OUTBOX_VERSION

class IndexedDbOutboxStore implements OutboxStore {
  /** Operations that the database refused. A full disk must not prevent sending. */
  private readonly unsaved = new MemoryOutboxStore()
  /** null while a tab with an older page prevents the upgrade. */
  private db: Promise<IDBPDatabase<Schema> | null>

  constructor(
    private readonly name: string,
    /** Called when operations may be there that could not be read before. */
    private readonly changed: () => void,
  ) {
    this.db = this.open(OUTBOX_VERSION).catch((error: unknown) => {
      // A newer page has upgraded the database.
      if ((error as Error).name === 'VersionError') return this.open()
      throw error
    })
  }

  /** Fails if the browser stores nothing. */
  async opened(): Promise<void> {
    await this.db
  }

  /** Opens the database, in its current version if none is given. */
  private open(version?: number): Promise<IDBPDatabase<Schema> | null> {
    const reopen = () => {
      this.db = this.open().catch(() => null)
    }
    return new Promise((resolve, reject) => {
      const opening = openDB<Schema>(this.name, version, {
        upgrade(db, oldVersion) {
          if (oldVersion > 0) return
          const outbox = db.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true })
          outbox.createIndex('client_id', 'client_id', { unique: true })
        },
        blocked: () => {
          resolve(null)
          void opening.then((db) => {
            this.db = Promise.resolve(db)
            this.changed()
          })
        },
        blocking: (_current, _blocked, event) => {
          ;(event.target as IDBDatabase).close()
          reopen()
        },
        terminated: reopen,
      })
      opening.then(resolve, reject)
    })
  }

  async all(): Promise<Operation[]> {
    const saved = (await (await this.db)?.getAll('outbox')) ?? []
    const unsaved = await this.unsaved.all()
    return [...saved.filter(isKnown).map(complete), ...unsaved]
  }

  async add(operation: Operation): Promise<number> {
    const { n: _, ...fields } = operation
    try {
      const db = await this.db
      // The database assigns n and stores it in the row.
      if (db !== null) return await db.add('outbox', { ...fields, version: OUTBOX_VERSION } as Row)
    } catch {
      // Kept in memory.
    }
    return this.unsaved.add(operation)
  }

  async update(clientId: string, change: (stored: Operation) => Operation): Promise<Operation | undefined> {
    const unsaved = await this.unsaved.update(clientId, change)
    const db = await this.db
    if (unsaved !== undefined || db === null) return unsaved
    const tx = db.transaction('outbox', 'readwrite')
    const row = await tx.store.index('client_id').get(clientId)
    const changed = row && change(complete(row))
    if (changed !== undefined) await tx.store.put({ ...changed, version: OUTBOX_VERSION })
    await tx.done
    return changed
  }

  async remove(clientId: string): Promise<void> {
    await this.unsaved.remove(clientId)
    const db = await this.db
    if (db === null) return
    const tx = db.transaction('outbox', 'readwrite')
    const key = await tx.store.index('client_id').getKey(clientId)
    if (key !== undefined) await tx.store.delete(key)
    await tx.done
  }

  async clear(): Promise<void> {
    await this.unsaved.clear()
    await (await this.db)?.clear('outbox')
  }
}

/** Opens the outbox of one user in this browser. `changed` is called if it has to be read again. */
export async function openOutboxStore(userId: number, changed: () => void): Promise<OutboxStore> {
  const store = new IndexedDbOutboxStore(databaseName(userId), changed)
  try {
    await store.opened()
    return store
  } catch {
    return new MemoryOutboxStore()
  }
}
