// Everything the page shows, in one immutable value. Changed by Messenger alone.

import { createStore, type StoreApi } from 'zustand/vanilla'
import type { History } from './history'
import type { Outgoing } from './outbox'
import type { SocketState } from './socket'
import type { Chat, Group, Presence, User } from './types'

/** What is known of somebody; full_name and picture may be unknown to us. */
export interface Person {
  user_id: number
  /** Empty where the account is gone. */
  username: string
  full_name: string | null
  profile_picture: string | null
}

export const isGone = (person: Person) => person.username === ''

/** A sentence of the catalogue for the corner of the page: its key, or an API error's code. */
export interface Notice {
  id: number
  kind: 'info' | 'error'
  text: string
}

export type Phase =
  /** Finding out who we are. */
  | 'starting'
  /** The server does not answer. */
  | 'unreachable'
  | 'signed_out'
  | 'signed_in'

export interface AppState {
  phase: Phase
  /** Signed out without having asked for it. */
  expired: boolean
  me: User | null
  socket: SocketState
  /** Since when there has been no connection, in ms; null while there is one. */
  lostAt: number | null
  catchingUp: boolean
  /** The chat list has been read. */
  listed: boolean
  chats: ReadonlyMap<number, Chat>
  histories: ReadonlyMap<number, History>
  outbox: readonly Outgoing[]
  /** chat → user → until when, in ms. */
  typing: ReadonlyMap<number, ReadonlyMap<number, number>>
  presence: ReadonlyMap<number, Presence>
  people: ReadonlyMap<number, Person>
  groups: ReadonlyMap<number, Group>
  notices: readonly Notice[]
}

export const nothing: AppState = {
  phase: 'starting',
  expired: false,
  me: null,
  socket: 'idle',
  lostAt: null,
  catchingUp: false,
  listed: false,
  chats: new Map(),
  histories: new Map(),
  outbox: [],
  typing: new Map(),
  presence: new Map(),
  people: new Map(),
  groups: new Map(),
  notices: [],
}

export type AppStore = StoreApi<AppState>

export function createAppStore(): AppStore {
  return createStore<AppState>(() => nothing)
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
