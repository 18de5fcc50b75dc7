// Messages that are not acknowledged yet. The outbox survives a reload. It is sent in the order of
// writing, one message at a time, each under the same client_id until it is acknowledged.
//
// All tabs of a user share one outbox in IndexedDB. A tab that sends takes the lock, reads the outbox
// again and sends over its own socket, so that two tabs never send the same message at once. Without
// Web Locks (plain http on another host) the client_id still prevents a message from being stored twice.

import type { Clock } from './clock'
import { newClientId } from './ids'
import type { Ack } from './types'

export interface Outgoing {
  /** Orders the messages of all tabs. 0 until it is saved. */
  n: number
  client_id: string
  chat_id: number
  content: string
  created_at: string
  /** The error code, if the server refused the message for good. */
  refused?: string
}

/** The storage of the outbox. */
export interface OutboxStore {
  /** Returns all entries in the order of writing. */
  all(): Promise<Outgoing[]>
  /** Returns the new entry's n. */
  add(entry: Omit<Outgoing, 'n'>): Promise<number>
  put(entry: Outgoing): Promise<void>
  remove(clientId: string): Promise<void>
  clear(): Promise<void>
}

export type SendResult =
  | { kind: 'acked'; ack: Ack }
  /** To be sent again after `retryMs`; null: at the next flush(). */
  | { kind: 'deferred'; retryMs: number | null }
  | { kind: 'refused'; code: string }

export interface OutboxHooks {
  send(entry: Outgoing): Promise<SendResult>
  acked(entry: Outgoing, ack: Ack): void
  changed(entries: readonly Outgoing[]): void
  /** Makes the other tabs load the outbox. */
  broadcast(): void
  /** Runs `work` while no other tab of the user holds the lock. */
  lock(work: () => Promise<void>): Promise<void>
}

export class Outbox {
  entries: readonly Outgoing[] = []
  /** client_ids that left the outbox: a load() that is under way may still return them. */
  private readonly removed = new Set<string>()
  private saves = 0
  private flushing: Promise<void> | null = null
  private flushAgain = false
  private cancelTimer: () => void = () => {}

  constructor(
    private readonly store: OutboxStore,
    private readonly hooks: OutboxHooks,
    private readonly clock: Clock,
  ) {}

  /** Reads the stored entries: at the start, and after another tab changed them. */
  async load(): Promise<void> {
    const saves = this.saves
    const stored = await this.store.all()
    if (saves !== this.saves) return this.load()
    // Entries of this tab that are not saved yet are kept, at the end.
    const unsaved = this.entries.filter((entry) => entry.n === 0)
    this.setEntries([...stored.filter((entry) => !this.removed.has(entry.client_id)), ...unsaved])
  }

  /** Shows a new message, then saves it, then sends it. */
  async add(chatId: number, content: string): Promise<void> {
    const entry: Outgoing = {
      n: 0,
      client_id: newClientId(),
      chat_id: chatId,
      content,
      created_at: new Date(this.clock.now()).toISOString(),
    }
    this.setEntries([...this.entries, entry])
    const { n: _, ...fields } = entry
    const n = await this.store.add(fields)
    this.saves++
    this.setEntries(this.entries.map((e) => (e.client_id === entry.client_id ? { ...e, n } : e)))
    this.hooks.broadcast()
    await this.flush()
  }

  async retry(clientId: string): Promise<void> {
    const entry = this.entries.find((e) => e.client_id === clientId)
    if (entry === undefined) return
    const { refused: _, ...fresh } = entry
    await this.store.put(fresh)
    await this.load()
    this.hooks.broadcast()
    await this.flush()
  }

  async discard(clientId: string): Promise<void> {
    this.removed.add(clientId)
    this.setEntries(this.entries.filter((entry) => entry.client_id !== clientId))
    await this.store.remove(clientId)
    this.hooks.broadcast()
  }

  /**
   * The server has this message: it came in a push, a page or a sync. That may be known here before
   * the other tab that wrote it has broadcast its entry, so the client_id is remembered.
   */
  async confirm(clientId: string): Promise<void> {
    if (this.entries.some((entry) => entry.client_id === clientId)) await this.discard(clientId)
    else this.removed.add(clientId)
  }

  async clear(): Promise<void> {
    this.cancelTimer()
    this.setEntries([])
    await this.store.clear()
    this.hooks.broadcast()
  }

  /** Sends all entries that were not refused. May be called at any time, also while it runs. */
  flush(): Promise<void> {
    if (this.flushing !== null) {
      this.flushAgain = true
      return this.flushing
    }
    this.cancelTimer()
    this.flushing = this.sendLocked().finally(() => {
      this.flushing = null
    })
    return this.flushing
  }

  private async sendLocked(): Promise<void> {
    do {
      this.flushAgain = false
      await this.hooks.lock(() => this.sendAll())
    } while (this.flushAgain)
  }

  private async sendAll(): Promise<void> {
    for (;;) {
      const next = (await this.store.all()).find(
        (entry) => entry.refused === undefined && !this.removed.has(entry.client_id),
      )
      if (next === undefined) return
      const result = await this.hooks.send(next)
      if (result.kind === 'deferred') {
        this.flushAgain = false
        if (result.retryMs !== null)
          this.cancelTimer = this.clock.after(result.retryMs, () => void this.flush())
        return
      }
      if (result.kind === 'acked') {
        this.hooks.acked(next, result.ack)
        await this.discard(next.client_id)
      } else {
        await this.store.put({ ...next, refused: result.code })
        await this.load()
        this.hooks.broadcast()
      }
    }
  }

  private setEntries(entries: readonly Outgoing[]): void {
    this.entries = entries
    this.hooks.changed(entries)
  }
}
