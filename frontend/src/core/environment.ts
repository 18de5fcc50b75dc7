// What the core requires of the browser. Injected, so that the tests can replace all of it.

import type { Api } from './api'
import type { CacheStore } from './cache'
import type { Clock } from './clock'
import type { OutboxStore } from './outbox'
import type { WebSocketLike } from './socket'
import type { Message } from './types'

/** A message from one tab of this browser to the others. */
export type TabMessage =
  | { kind: 'outbox'; userId: number }
  | { kind: 'signed_out' }
  | { kind: 'signed_in' }

/** What the user has to know although no message shows it. */
export type Warning =
  /** The epoch changed before a deletion was carried out. */
  | 'deletion_dropped'
  /** The server refused a reaction: the message has too many different ones, or the user may not react. */
  | 'reaction_refused'
  | 'pin_refused'

export interface Environment {
  api: Api
  clock: Clock
  openSocket(): WebSocketLike
  openOutbox(userId: number): Promise<OutboxStore>
  cache: CacheStore
  /** Runs `work` while no other tab holds the lock `name`. */
  lock(name: string, work: () => Promise<void>): Promise<void>
  /** Resolves when the page has nothing else to do. */
  idle(): Promise<void>
  /** Sends to the other tabs. */
  broadcast(message: TabMessage): void
  /** Notifies the user of a new message from another user. */
  notify(message: Message): void
  warn(warning: Warning): void
  /** Erases the drafts of a user who logged out. */
  eraseDrafts(userId: number): void
}
