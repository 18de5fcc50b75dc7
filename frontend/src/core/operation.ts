// What the outbox has: operations of the user on messages.

import type { ForwardedFrom, Reply } from './types'

interface Queued {
  /** Orders the operations of all tabs. 0 until it is saved. */
  n: number
  /** Names the operation; of a message, its client_id. */
  client_id: string
  chat_id: number
  created_at: string
  /** The epoch of the ids; null if it was not known. */
  epoch: string | null
  /** The error code, if the server refused the operation for good. */
  refused?: string
}

/** A message to be sent. */
export interface Outgoing extends Queued {
  kind: 'send'
  content: string
  /** True if the server may have the message already: its text is then final. */
  attempted?: true
  /** The message that this one replies to. */
  reply?: Reply
  /** Of a reply: the first message of its thread. */
  thread_id?: number
  /** The stored message that this one is a copy of, and its first author. */
  forward?: { message_id: number; from: ForwardedFrom }
}

export interface QueuedEdit extends Queued {
  kind: 'edit'
  message_id: number
  content: string
}

export interface QueuedDeletion extends Queued {
  kind: 'delete'
  message_id: number
}

/** A reaction that is added or removed. */
export interface QueuedReaction extends Queued {
  kind: 'react'
  message_id: number
  seq: number
  emoji: string
  on: boolean
}

export interface QueuedPin extends Queued {
  kind: 'pin'
  message_id: number
  on: boolean
}

/** A change of a stored message. */
export type Change = QueuedEdit | QueuedDeletion
/** What stays in the outbox and is shown at its message if it is refused. */
export type Refusable = Outgoing | Change
export type Operation = Refusable | QueuedReaction | QueuedPin

type Unqueued<T> = T extends Operation ? Omit<T, 'n' | 'client_id' | 'created_at' | 'epoch'> : never
export type NewOperation = Unqueued<Operation>
