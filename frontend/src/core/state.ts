// Everything that the page shows, in one immutable value. Each field is written by one file, named
// above it; session.ts also resets all fields at log-in and log-out.

import { createStore, type StoreApi } from 'zustand/vanilla'
import type { History } from './history'
import type { Operation } from './operation'
import type { Thread } from './replies'
import type { SocketState } from './socket'
import type { Chat, Group, Message, Presence, User } from './types'

/** The profile of a user. The names are empty if the account was deleted. */
export type Person = Pick<User, 'user_id' | 'username' | 'full_name' | 'profile_picture'>

export const isDeletedAccount = (person: Person) => person.username === ''

/** A short message in the corner of the page. `text` is shown as it is. */
export interface Notice {
  id: number
  kind: 'info' | 'error'
  text: string
}

export type Phase =
  /** The session cookie is being checked. */
  | 'starting'
  /** The server does not answer. */
  | 'unreachable'
  | 'signed_out'
  | 'signed_in'

export interface AppState {
  // session.ts
  phase: Phase
  /** True if the server ended the session. */
  expired: boolean
  me: User | null

  // connection.ts
  socket: SocketState
  /** When the connection was lost, in ms; null while connected. */
  disconnectedAt: number | null

  // polling.ts
  /** True if the server is read over HTTP, because there is no WebSocket. */
  polling: boolean

  // sync.ts
  catchingUp: boolean
  /** True if the whole chat list was loaded since the page started. */
  chatListLoaded: boolean
  /** The name of the history of the server's database; null before the first connection. */
  epoch: string | null

  // chat_list.ts
  chats: ReadonlyMap<number, Chat>

  // timeline.ts
  histories: ReadonlyMap<number, History>
  /** The chat on the screen; null if none. */
  openChatId: number | null

  // thread.ts
  /** The thread on the screen; null if none. */
  thread: Thread | null

  // operations.ts
  outbox: readonly Operation[]

  // pins.ts: the pinned messages of a chat, latest pinned first
  pins: ReadonlyMap<number, readonly Message[]>

  // typing.ts: chat → user → expiry time in ms
  typing: ReadonlyMap<number, ReadonlyMap<number, number>>

  // presence.ts
  presence: ReadonlyMap<number, Presence>

  // people.ts
  people: ReadonlyMap<number, Person>

  // groups.ts
  groups: ReadonlyMap<number, Group>

  // notices.ts
  notices: readonly Notice[]
}

export const initialState: AppState = {
  phase: 'starting',
  expired: false,
  me: null,
  socket: 'idle',
  disconnectedAt: null,
  polling: false,
  catchingUp: false,
  chatListLoaded: false,
  epoch: null,
  chats: new Map(),
  histories: new Map(),
  openChatId: null,
  thread: null,
  outbox: [],
  pins: new Map(),
  typing: new Map(),
  presence: new Map(),
  people: new Map(),
  groups: new Map(),
  notices: [],
}

export type AppStore = StoreApi<AppState>

export function createAppStore(): AppStore {
  return createStore<AppState>(() => initialState)
}

/** The id of the user who is signed in; 0 if none. */
export function myId(store: AppStore): number {
  return store.getState().me?.user_id ?? 0
}

export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value)
}

export function withoutEntry<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (!map.has(key)) return map
  const copy = new Map(map)
  copy.delete(key)
  return copy
}
