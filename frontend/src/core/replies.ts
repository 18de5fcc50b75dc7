// Replies to messages: quotes, threads, and the number of replies. Pure functions.

import type { Message, Reply } from './types'

/** The server's limit of a quote, in code points. */
const QUOTE_MAX = 200

/** The thread on the screen. */
export interface Thread {
  chat_id: number
  /** The first message. */
  message_id: number
  /** Sorted by seq. The first message may be there without the replies that follow it. */
  messages: readonly Message[]
  /** True if replies before the oldest one are not loaded. */
  more: boolean
  state: 'loading' | 'loaded' | 'failed'
}

/** What a reply shows of a message. */
export function quoteOf({ message_id, seq, sender_id, content, deleted }: Message): Reply {
  const text = deleted || content == null ? null : firstCodePoints(content)
  return { message_id, seq, sender_id, content: text, deleted: text === null }
}

function firstCodePoints(text: string): string {
  // A code point has at most two units.
  return text.length <= QUOTE_MAX ? text : [...text.slice(0, 2 * QUOTE_MAX)].slice(0, QUOTE_MAX).join('')
}

/** The first message of the thread that a reply to this message belongs to. */
export const threadOf = ({ thread_id, message_id }: Pick<Message, 'thread_id' | 'message_id'>) =>
  thread_id ?? message_id

/** What new versions of messages, and new messages, do to those that quote them or that they quote. */
export interface Relations {
  /** Edited and deleted messages, by id. */
  readonly changed: ReadonlyMap<number, Message>
  /** The number of new replies, by the id of the message that they reply to. */
  readonly replies: ReadonlyMap<number, number>
}

/** `isNew`: true for messages that were not there before. */
export function relationsOf(incoming: readonly Message[], isNew: (message: Message) => boolean): Relations {
  const changed = new Map<number, Message>()
  const replies = new Map<number, number>()
  for (const message of incoming) {
    if (message.deleted || message.edited_at != null) changed.set(message.message_id, message)
    const quoted = message.reply?.message_id
    if (quoted !== undefined && isNew(message)) replies.set(quoted, (replies.get(quoted) ?? 0) + 1)
  }
  return { changed, replies }
}

/** Redraws the quotes of changed messages, and counts new replies. */
export function withRelations(messages: readonly Message[], { changed, replies }: Relations): readonly Message[] {
  if (changed.size === 0 && replies.size === 0) return messages
  let isSame = true
  const related = messages.map((message) => {
    const quoted = message.reply == null ? undefined : changed.get(message.reply.message_id)
    const added = replies.get(message.message_id) ?? 0
    if (quoted === undefined && added === 0) return message
    isSame = false
    return {
      ...message,
      // A `deleted` frame lacks the sender.
      ...(quoted === undefined ? {} : { reply: { ...quoteOf(quoted), sender_id: message.reply!.sender_id } }),
      ...(added === 0 ? {} : { replies: (message.replies ?? 0) + added }),
    }
  })
  return isSame ? messages : related
}
