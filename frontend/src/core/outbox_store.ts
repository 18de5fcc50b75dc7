import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Outgoing, OutboxStore } from './outbox'

interface Schema extends DBSchema {
  outbox: { key: number; value: Outgoing; indexes: { client_id: string } }
}

const nameOf = (userId: number) => `parley-${userId}`

/** Where the browser keeps nothing (some private windows): as good as it gets, until the reload. */
export class MemoryStore implements OutboxStore {
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

/** The outbox of one user in this browser. */
class IdbStore implements OutboxStore {
  /** What the database would not take: a full disk must not keep a message from being sent. */
  private readonly unsaved = new MemoryStore()

  constructor(private readonly db: IDBPDatabase<Schema>) {}

  async all(): Promise<Outgoing[]> {
    const [saved, unsaved] = await Promise.all([this.db.getAll('outbox'), this.unsaved.all()])
    return [...saved, ...unsaved]
  }

  async add(entry: Omit<Outgoing, 'n'>): Promise<number> {
    try {
      // The database gives n, and writes it into the row.
      return await this.db.add('outbox', entry as Outgoing)
    } catch {
      return this.unsaved.add(entry)
    }
  }

  async put(entry: Outgoing): Promise<void> {
    await this.unsaved.put(entry)
    const tx = this.db.transaction('outbox', 'readwrite')
    // Another tab may have had it acknowledged meanwhile: what is gone stays gone.
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

export async function openOutboxStore(userId: number): Promise<OutboxStore> {
  try {
    const db = await openDB<Schema>(nameOf(userId), 1, {
      upgrade(fresh) {
        const outbox = fresh.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true })
        outbox.createIndex('client_id', 'client_id', { unique: true })
      },
    })
    return new IdbStore(db)
  } catch {
    return new MemoryStore()
  }
}
