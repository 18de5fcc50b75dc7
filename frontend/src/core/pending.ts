// The messages of a chat as they will be when the outbox is empty. Pure functions.

import type { Change, Operation, Outgoing, QueuedReaction, Refusable } from './operation'
import { withPendingReactions } from './reactions'
import type { AppState } from './state'
import type { Message } from './types'

/** A message with the last change of it that the server has not acknowledged. */
export type ShownMessage = Message & { pending?: Change }

interface Options {
  messages: readonly Message[]
  /** True if `messages` reach the newest one. */
  isLive: boolean
  outbox: readonly Operation[]
  chatId: number
  epoch: string | null
  me: number
}

/** True if the ids of an operation are of this epoch: the message_id of a former one may be another message's. */
const isCurrent = (operation: Operation, epoch: string | null) => operation.epoch === epoch || operation.epoch === null

const isChange = (operation: Operation, epoch: string | null): operation is Change =>
  (operation.kind === 'edit' || operation.kind === 'delete') && isCurrent(operation, epoch)

/** Returns the last change of a message in the outbox; undefined if there is none. */
export const pendingChange = (outbox: readonly Operation[], epoch: string | null, messageId: number) =>
  outbox.findLast((entry): entry is Change => isChange(entry, epoch) && entry.message_id === messageId)

/**
 * Returns the messages, edits and deletions of chats that are not in the list; empty until it is known. Reactions and
 * pins are dropped if the server refuses them.
 */
export function unlisted({ outbox, chats, chatListLoaded }: AppState): readonly Refusable[] {
  if (!chatListLoaded) return []
  return outbox.filter(
    (entry): entry is Refusable => entry.kind !== 'react' && entry.kind !== 'pin' && !chats.has(entry.chat_id),
  )
}

/** Returns messages with their pending changes, and after the newest one the messages to be sent. */
export function withPending(options: Options): readonly (ShownMessage | Outgoing)[] {
  const { messages, isLive, outbox, chatId, epoch, me } = options
  const queued = outbox.filter(({ chat_id }) => chat_id === chatId)
  if (queued.length === 0) return messages
  const sends: Outgoing[] = []
  const changes = new Map<number, Change>()
  const reactions = new Map<number, QueuedReaction[]>()
  for (const operation of queued) {
    if (operation.kind === 'send') sends.push(operation)
    else if (!isCurrent(operation, epoch)) continue
    else if (operation.kind === 'react')
      reactions.set(operation.message_id, [...(reactions.get(operation.message_id) ?? []), operation])
    else if (operation.kind !== 'pin') changes.set(operation.message_id, operation)
  }
  const shown = (message: Message): ShownMessage => {
    const pending = reactions.get(message.message_id)
    const reacted = pending === undefined ? message : withPendingReactions(message, pending, me)
    return withChange(reacted, changes.get(message.message_id))
  }
  const changed = changes.size + reactions.size === 0 ? messages : messages.map(shown)
  return isLive && sends.length > 0 ? [...changed, ...sends] : changed
}

export function withChange<M extends Message>(message: M, pending: Change | undefined): M & ShownMessage {
  if (pending === undefined) return message
  // A refused edit of a deleted message shows its text, so that it is not lost.
  if (pending.kind === 'edit')
    return pending.refused !== undefined || !message.deleted
      ? { ...message, content: pending.content, deleted: false, pending }
      : message
  return pending.refused === undefined && !message.deleted
    ? { ...message, content: null, deleted: true, pending }
    : { ...message, pending }
}
