// The messages of a chat as they will be when the outbox is empty. Pure functions.

import type { Change, Operation, Outgoing } from './outbox'
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
}

/** Returns messages with their pending changes, and after the newest one the messages to be sent. */
export function withPending(options: Options): readonly (ShownMessage | Outgoing)[] {
  const { messages, isLive, outbox, chatId, epoch } = options
  const queued = outbox.filter(({ chat_id }) => chat_id === chatId)
  if (queued.length === 0) return messages
  const sends: Outgoing[] = []
  const changes = new Map<number, Change>()
  for (const operation of queued) {
    if (operation.kind === 'send') sends.push(operation)
    // The message_id of a former epoch may be another message's.
    else if (operation.epoch === epoch || operation.epoch === null) changes.set(operation.message_id, operation)
  }
  const changed =
    changes.size === 0
      ? messages
      : messages.map((message) => withChange(message, changes.get(message.message_id)))
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
