// What has been written and is not yet acknowledged. Survives a reload; is sent in order, one after
// the other, each under its own client_id until the server has it.
//
// All tabs of a user share one outbox in IndexedDB. A tab that wants to send takes the lock, reads
// the outbox anew and sends over its own socket, so two tabs never send the same message at once.
// Where the browser has no locks (plain http on another host) the client_id still keeps a message
// from being stored twice.

import type { Clock } from './clock'
import { newClientId } from './ids'
import type { Ack } from './types'

export interface Outgoing {
  /** The order of writing, over all tabs. 0 until it is saved. */
  n: number
  client_id: string
  chat_id: number
  content: string
  created_at: string
  /** Set where the server refused it for good: its reason. */
  refused?: string
}

/** Where the outbox is kept. */
export interface OutboxStore {
  /** In the order of writing. */
  all(): Promise<Outgoing[]>
  /** Returns its n. */
  add(entry: Omit<Outgoing, 'n'>): Promise<number>
  put(entry: Outgoing): Promise<void>
  remove(clientId: string): Promise<void>
  clear(): Promise<void>
}

export type Sent =
  | { kind: 'acked'; ack: Ack }
  /** Not now. `retryMs` null: when the connection is back. */
  | { kind: 'later'; retryMs: number | null }
  | { kind: 'refused'; code: string }

export interface OutboxHooks {
  send(entry: Outgoing): Promise<Sent>
  acked(entry: Outgoing, ack: Ack): void
  changed(entries: readonly Outgoing[]): void
  /** Tells the other tabs to look again. */
  announce(): void
  /** Runs `work` while no other tab does. */
  lock(work: () => Promise<void>): Promise<void>
}

export class Outbox {
  entries: readonly Outgoing[] = []
  private readonly settled = new Set<string>()
  private saves = 0
  private flushing: Promise<void> | null = null
  private again = false
  private stopTimer: () => void = () => {}

  constructor(
    private readonly store: OutboxStore,
    private readonly hooks: OutboxHooks,
    private readonly clock: Clock,
  ) {}

  /** Reads what is stored, at the start and whenever another tab says so. */
  async load(): Promise<void> {
    const saves = this.saves
    const stored = await this.store.all()
    if (saves !== this.saves) return this.load()
    // Just written here and not saved yet: keep it, at the end.
    const unsaved = this.entries.filter((entry) => entry.n === 0)
    this.show([...stored.filter((entry) => !this.settled.has(entry.client_id)), ...unsaved])
  }

  /** Shows it at once, then saves it, then sends it. */
  async add(chatId: number, content: string): Promise<void> {
    const entry: Outgoing = {
      n: 0,
      client_id: newClientId(),
      chat_id: chatId,
      content,
      created_at: new Date(this.clock.now()).toISOString(),
    }
    this.show([...this.entries, entry])
    const { n: _, ...fields } = entry
    const n = await this.store.add(fields)
    this.saves++
    this.show(this.entries.map((e) => (e.client_id === entry.client_id ? { ...e, n } : e)))
    this.hooks.announce()
    await this.flush()
  }

  async retry(clientId: string): Promise<void> {
    const entry = this.entries.find((e) => e.client_id === clientId)
    if (entry === undefined) return
    const { refused: _, ...fresh } = entry
    await this.store.put(fresh)
    await this.load()
    this.hooks.announce()
    await this.flush()
  }

  async discard(clientId: string): Promise<void> {
    this.settle(clientId)
    await this.store.remove(clientId)
    this.hooks.announce()
  }

  /**
   * The server has it: a push of our own message, or a page with it. The news may overtake another
   * tab's word that it wrote this, so it is remembered.
   */
  async seen(clientId: string): Promise<void> {
    if (this.entries.some((entry) => entry.client_id === clientId)) await this.discard(clientId)
    else this.settled.add(clientId)
  }

  async clear(): Promise<void> {
    this.stopTimer()
    this.show([])
    await this.store.clear()
    this.hooks.announce()
  }

  /** Sends what waits. Safe to call at any time, as often as one likes. */
  flush(): Promise<void> {
    if (this.flushing !== null) {
      this.again = true
      return this.flushing
    }
    this.stopTimer()
    this.flushing = this.sendInTurn().finally(() => {
      this.flushing = null
    })
    return this.flushing
  }

  private async sendInTurn(): Promise<void> {
    do {
      this.again = false
      await this.hooks.lock(() => this.sendAll())
    } while (this.again)
  }

  private async sendAll(): Promise<void> {
    for (;;) {
      const next = (await this.store.all()).find(
        (entry) => entry.refused === undefined && !this.settled.has(entry.client_id),
      )
      if (next === undefined) return
      const sent = await this.hooks.send(next)
      if (sent.kind === 'later') {
        this.again = false
        if (sent.retryMs !== null)
          this.stopTimer = this.clock.after(sent.retryMs, () => void this.flush())
        return
      }
      if (sent.kind === 'acked') {
        this.hooks.acked(next, sent.ack)
        await this.discard(next.client_id)
      } else {
        await this.store.put({ ...next, refused: sent.code })
        await this.load()
        this.hooks.announce()
      }
    }
  }

  private settle(clientId: string): void {
    this.settled.add(clientId)
    this.show(this.entries.filter((entry) => entry.client_id !== clientId))
  }

  private show(entries: readonly Outgoing[]): void {
    this.entries = entries
    this.hooks.changed(entries)
  }
}
