// The messages of a chat as they will be when the outbox is empty. Pure functions.

import type { Change, Operation, Outgoing } from './outbox'
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
}

/** True if an operation changes a message of this epoch: the message_id of a former one may be another message's. */
const isChange = (operation: Operation, epoch: string | null): operation is Change =>
  operation.kind !== 'send' && (operation.epoch === epoch || operation.epoch === null)

/** Returns the last change of a message in the outbox; undefined if there is none. */
export const pendingChange = (outbox: readonly Operation[], epoch: string | null, messageId: number) =>
  outbox.findLast((entry): entry is Change => isChange(entry, epoch) && entry.message_id === messageId)

/** Returns the operations of chats that are not in the list; empty until it is known. */
export function unlisted({ outbox, chats, chatListLoaded }: AppState): readonly Operation[] {
  return chatListLoaded ? outbox.filter(({ chat_id }) => !chats.has(chat_id)) : []
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
    else if (isChange(operation, epoch)) changes.set(operation.message_id, operation)
  }
  const changed =
    changes.size === 0
      ? messages
      : messages.map((message) => withChange(message, changes.get(message.message_id)))
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
