import { keepReactions } from './reactions'
import type { Message } from './types'

/** Chooses between two versions of one message, and completes it by what only the other has. */
export function newerVersion(old: Message, next: Message): Message {
  if (next.mod < old.mod || (next.mod === old.mod && next.partial)) return old
  // Not every version carries the client_id, which never changes, and the number of replies.
  const { client_id, replies } = old
  const identified = {
    ...(client_id === undefined ? {} : { client_id }),
    ...(replies === undefined ? {} : { replies }),
    ...next,
  }
  if (!next.partial || old.partial) return keepReactions(old, identified)
  const { partial: _, ...complete } = identified
  return { ...complete, sender_id: old.sender_id, sent_at: old.sent_at }
}
