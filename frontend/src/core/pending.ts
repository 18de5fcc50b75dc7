// The messages of a chat as they will be when the outbox is empty. Pure functions.

import type { Change, Operation, Outgoing, QueuedReaction } from './outbox'
import { withPendingReactions } from './reactions'
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
    // The message_id of a former epoch may be another message's.
    else if (operation.epoch !== epoch && operation.epoch !== null) continue
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

function withChange(message: Message, pending: Change | undefined): ShownMessage {
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
