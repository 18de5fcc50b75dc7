// What the user did to messages and the server has not acknowledged yet: messages sent, edited, deleted,
// reacted to and pinned. The outbox survives a reload. It is processed in order, one operation at a time, each until
// the server has answered; repeating one whose answer was lost changes nothing. A refused operation
// stays until the user repeats or discards it, and the others go on without it.
//
// All tabs of a user share one outbox in IndexedDB. A tab that processes it takes the lock, reads it
// again and sends over its own connection, so that two tabs never do the same at once. Without Web Locks
// (plain http on another host) the client_id still prevents a message from being stored twice.
//
// The ids in an operation belong to an epoch. In another one they may name another chat or message, so
// that nothing of a former epoch is sent: see inEpoch().

import type { Clock } from './clock'
import { newClientId } from './ids'
import type { NewOperation, Operation, Outgoing } from './operation'

/** The code of an operation that was not carried out because the epoch changed. */
export const FORMER_EPOCH = 'former_epoch'

/** The storage of the outbox. */
export interface OutboxStore {
  /** Returns all operations in their order. */
  all(): Promise<Operation[]>
  /** Returns the new operation's n. */
  add(operation: Operation): Promise<number>
  /** Replaces an operation in one transaction, and returns it; undefined if it is gone. */
  update(clientId: string, change: (stored: Operation) => Operation): Promise<Operation | undefined>
  remove(clientId: string): Promise<void>
  clear(): Promise<void>
}

export type Result =
  | { kind: 'done' }
  /** To be repeated after `retryMs`; null: at the next flush(). */
  | { kind: 'deferred'; retryMs: number | null }
  | { kind: 'refused'; code: string }

export interface OutboxHooks {
  /** Carries out an operation, and applies its effect to the state if it is done. */
  perform(operation: Operation): Promise<Result>
  /** True if there is a connection. */
  isConnected(): boolean
  /** The epoch of the server; null if it is not known. */
  epoch(): string | null
  /** A deletion of a former epoch was dropped. */
  deletionDropped(): void
  changed(operations: readonly Operation[]): void
  /** Makes the other tabs load the outbox. */
  broadcast(): void
  /** Runs `work` while no other tab of the user holds the lock. */
  lock(work: () => Promise<void>): Promise<void>
}

/** True if the text of a queued message can still be changed. */
export const isEditable = ({ attempted, refused, forward }: Outgoing) =>
  forward === undefined && (attempted !== true || refused !== undefined)

/**
 * What becomes of an operation in an epoch: itself, or, if its ids belong to another epoch, a refused
 * message with its text alone, which the user may send again. null for what has no text.
 */
export function inEpoch(operation: Operation, epoch: string | null): Operation | null {
  if (epoch === null || operation.epoch === epoch) return operation
  if (operation.epoch === null) return { ...operation, epoch }
  switch (operation.kind) {
    case 'send': {
      const { reply, thread_id, forward, ...plain } = operation
      const isPlain = reply === undefined && thread_id === undefined && forward === undefined
      if (isPlain && operation.refused !== undefined) return operation
      return { ...plain, refused: operation.refused ?? FORMER_EPOCH }
    }
    case 'edit': {
      const { message_id: _, ...fields } = operation
      return { ...fields, kind: 'send', refused: FORMER_EPOCH }
    }
    default:
      return null
  }
}

export class Outbox {
  operations: readonly Operation[] = []
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

  /** Reads the stored operations: at the start, and after another tab changed them. */
  async load(): Promise<void> {
    const saves = this.saves
    const stored = await this.store.all()
    if (saves !== this.saves) return this.load()
    // Operations of this tab that are not saved yet are kept, at the end.
    const unsaved = this.operations.filter(({ n }) => n === 0)
    this.setOperations([...stored.filter(({ client_id }) => !this.removed.has(client_id)), ...unsaved])
  }

  /** Shows a new operation, then saves it, then carries it out. */
  async add(fields: NewOperation): Promise<void> {
    const operation: Operation = {
      ...fields,
      n: 0,
      client_id: newClientId(),
      created_at: new Date(this.clock.now()).toISOString(),
      epoch: this.hooks.epoch(),
    }
    this.setOperations([...this.operations, operation])
    const n = await this.store.add(operation)
    this.saves++
    this.setOperations(
      this.operations.map((known) => (known.client_id === operation.client_id ? { ...known, n } : known)),
    )
    this.hooks.broadcast()
    await this.flush()
  }

  /** Changes the text of a queued message. Returns false if the server may have it already. */
  async edit(clientId: string, content: string): Promise<boolean> {
    let edited = false
    await this.store.update(clientId, (stored) => {
      edited = stored.kind === 'send' && isEditable(stored)
      return edited ? { ...this.renewed(stored), content } as Outgoing : stored
    })
    if (edited) await this.storeChanged()
    return edited
  }

  /** Repeats a refused operation. */
  async retry(clientId: string): Promise<void> {
    const stored = await this.store.update(clientId, (operation) => this.renewed(operation))
    if (stored !== undefined) await this.storeChanged()
  }

  /** A refused operation as it is to be repeated; one of a former epoch only if the user sees that it is. */
  private renewed(operation: Operation): Operation {
    const epoch = this.hooks.epoch() ?? operation.epoch
    const adopted = inEpoch(operation, epoch)
    if (adopted !== operation && operation.epoch !== null) return adopted ?? operation
    const { refused: _, ...renewed } = { ...operation, epoch }
    return renewed as Operation
  }

  private async storeChanged(): Promise<void> {
    await this.load()
    this.hooks.broadcast()
    await this.flush()
  }

  async discard(clientId: string): Promise<void> {
    this.removed.add(clientId)
    this.setOperations(this.operations.filter(({ client_id }) => client_id !== clientId))
    await this.store.remove(clientId)
    this.hooks.broadcast()
  }

  /**
   * The server has this message: it came in a push, a page or a sync. That may be known here before
   * the other tab that wrote it has broadcast its entry, so the client_id is remembered.
   */
  async confirm(clientId: string): Promise<void> {
    if (this.operations.some(({ client_id }) => client_id === clientId)) await this.discard(clientId)
    else this.removed.add(clientId)
  }

  async clear(): Promise<void> {
    this.cancelTimer()
    this.setOperations([])
    await this.store.clear()
    this.hooks.broadcast()
  }

  /** Carries out all operations that were not refused. May be called at any time, also while it runs. */
  flush(): Promise<void> {
    if (this.flushing !== null) {
      this.flushAgain = true
      return this.flushing
    }
    this.cancelTimer()
    this.flushing = this.flushLocked().finally(() => {
      this.flushing = null
    })
    return this.flushing
  }

  private async flushLocked(): Promise<void> {
    do {
      this.flushAgain = false
      await this.hooks.lock(() => this.performAll())
    } while (this.flushAgain)
  }

  private async performAll(): Promise<void> {
    while (this.hooks.isConnected()) {
      const next = await this.begin()
      if (next === undefined) return
      const result = await this.hooks.perform(next)
      if (result.kind === 'deferred') {
        this.flushAgain = false
        if (result.retryMs !== null)
          this.cancelTimer = this.clock.after(result.retryMs, () => void this.flush())
        return
      }
      if (result.kind === 'done') await this.discard(next.client_id)
      else {
        await this.store.update(next.client_id, (stored) => ({ ...stored, refused: result.code }))
        await this.load()
        this.hooks.broadcast()
      }
    }
  }

  /** Returns the next operation to carry out; undefined if there is none. */
  private async begin(): Promise<Operation | undefined> {
    const next = (await this.adoptEpoch()).find(
      ({ refused, client_id }) => refused === undefined && !this.removed.has(client_id),
    )
    if (next?.kind !== 'send' || next.attempted) return next
    const attempt = (stored: Operation) => ({ ...stored, attempted: true }) as Outgoing
    // Another tab may have changed the text since it was read. A full disk must not prevent sending.
    const begun = await this.store.update(next.client_id, attempt).catch(() => next)
    return begun ?? this.begin()
  }

  /** Returns all operations, adapted to the epoch of the server. */
  private async adoptEpoch(): Promise<Operation[]> {
    const epoch = this.hooks.epoch()
    const all = await this.store.all()
    const former = all.filter((operation) => inEpoch(operation, epoch) !== operation)
    if (former.length === 0) return all
    for (const operation of former) {
      if (inEpoch(operation, epoch) === null) {
        await this.discard(operation.client_id)
        if (operation.kind === 'delete') this.hooks.deletionDropped()
      } else await this.store.update(operation.client_id, (stored) => inEpoch(stored, epoch) ?? stored)
    }
    await this.load()
    this.hooks.broadcast()
    return this.store.all()
  }

  private setOperations(operations: readonly Operation[]): void {
    this.operations = operations
    this.hooks.changed(operations)
  }
}
