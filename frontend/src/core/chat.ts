// What each event does to the summary of a chat. Pure functions.

import { segmentAt, type History } from './history'
import { indexOfSeq } from './merging'
import type { Chat, Deleted, LastMessage, Message } from './types'

/** True if the user may write and pin in a chat; in a group of which the posting is for admins, only these do. */
export const mayPost = ({ kind, peer, chat_id, posting, role }: Chat, me: number) =>
  kind === 'direct' ? peer !== null || chat_id === me : posting !== 'admins' || role !== 'member'

/** True if the message counts as unread until it is read. `me` is the id of the user. */
export function countsAsUnread({ kind, sender_id, deleted, content }: Message, me: number): boolean {
  return kind === 'text' && sender_id !== me && !deleted && content != null
}

/**
 * The unread count after a change of a message. The server's count includes all changes up to `last_mod`.
 * Only texts are deleted, once, and what is after the read mark is of others: sending moves it.
 */
function unreadAfterChange(chat: Chat, { seq, mod, deleted }: Pick<Message, 'seq' | 'mod' | 'deleted'>): number {
  const isCounted = deleted === true && mod > chat.last_mod && seq > chat.read_seq && seq <= chat.last_seq
  return isCounted ? Math.max(0, chat.unread - 1) : chat.unread
}

/** A message, or a new version of one. */
export function withMessage(chat: Chat, message: Message, me: number): Chat {
  const next: Chat = {
    ...chat,
    last_mod: Math.max(chat.last_mod, message.mod),
    unread: unreadAfterChange(chat, message),
  }
  if (message.sender_id === me) next.read_seq = Math.max(next.read_seq, message.seq)
  // A sender has read everything before the message.
  if (chat.peer !== null && message.sender_id === chat.peer.user_id)
    next.peer_read_seq = Math.max(chat.peer_read_seq ?? 0, message.seq)

  if (message.seq > chat.last_seq) {
    next.last_seq = message.seq
    next.last_message = withSenderName(message, chat.last_message)
    // The first join is the creation of the group.
    if (message.kind === 'join' && message.seq > 1) next.member_count++
    if (message.kind === 'leave') next.member_count--
    if (countsAsUnread(message, me) && message.seq > next.read_seq) next.unread = chat.unread + 1
  } else if (message.seq === chat.last_message?.seq && message.mod >= chat.last_message.mod) {
    next.last_message = withSenderName(message, chat.last_message)
  }
  if (next.read_seq >= next.last_seq) next.unread = 0
  return next
}

/**
 * The answer to a request of the user. It may overtake pushes of earlier changes, so it does not move `last_mod` unless
 * it is a new message, before which everything is read.
 */
export function withAnswer(chat: Chat, message: Message, me: number): Chat {
  const next = withMessage(chat, message, me)
  return message.seq > chat.last_seq ? next : { ...next, last_mod: chat.last_mod }
}

/** Takes over the name of the sender from another message: a pushed message has none. */
function withSenderName(message: Message, other: LastMessage | null): LastMessage {
  const name = other?.sender_id === message.sender_id ? other.sender_name : undefined
  return name === undefined ? message : { ...message, sender_name: name }
}

/** A chat all of whose messages are replaced: `messages` are the latest ones that the server has. */
export function withMessagesOnly(chat: Chat, messages: readonly Message[], me: number): Chat {
  const empty: Chat = {
    ...chat,
    last_seq: 0,
    last_mod: 0,
    last_message: null,
    read_seq: 0,
    unread: 0,
    peer_read_seq: chat.peer_read_seq === null ? null : 0,
  }
  const next = [...messages]
    .sort((a, b) => a.seq - b.seq)
    .reduce((next, message) => withMessage(next, message, me), empty)
  return { ...next, member_count: chat.member_count }
}

/** A `deleted` push. */
export function withDeleted(chat: Chat, deleted: Deleted): Chat {
  const last = chat.last_message
  return {
    ...chat,
    last_mod: Math.max(chat.last_mod, deleted.mod),
    unread: unreadAfterChange(chat, { ...deleted, deleted: true }),
    last_message:
      last !== null && last.seq === deleted.seq && deleted.mod >= last.mod
        ? { ...last, content: null, deleted: true, mod: deleted.mod }
        : last,
  }
}

/** The number of unread messages from `from` to `to`; null if they are not all loaded. */
function countUnread(history: History | undefined, from: number, to: number, me: number): number | null {
  const segment = segmentAt(history, from)
  if (segment === undefined || segment.to < to) return null
  let count = 0
  for (let i = indexOfSeq(segment.messages, from); i < segment.messages.length; i++) {
    const message = segment.messages[i]!
    if (message.seq <= to && countsAsUnread(message, me)) count++
  }
  return count
}

/** The unread count after reading up to `seq`. An estimate if too few messages are loaded. */
function unreadAfter(chat: Chat, seq: number, history: History | undefined, me: number): number {
  if (seq >= chat.last_seq) return 0
  const rest = countUnread(history, seq + 1, Infinity, me)
  if (rest !== null) return rest
  const read = countUnread(history, chat.read_seq + 1, seq, me) ?? 0
  return Math.min(chat.unread - read, chat.last_seq - seq)
}

/** A member has read up to `seq`. Watermarks never move back. */
export function withRead(
  chat: Chat,
  userId: number,
  seq: number,
  me: number,
  history: History | undefined,
): Chat {
  if (userId === me) {
    if (seq <= chat.read_seq) return chat
    const read = Math.min(seq, chat.last_seq)
    return { ...chat, read_seq: read, unread: unreadAfter(chat, read, history, me) }
  }
  if (chat.peer?.user_id !== userId || seq <= (chat.peer_read_seq ?? 0)) return chat
  return { ...chat, peer_read_seq: seq }
}

/**
 * Merges a summary from the server. It may be older than a push that overtook it, so the higher value
 * of each watermark is kept.
 */
export function withSummary(known: Chat | undefined, fresh: Chat): Chat {
  if (known === undefined) return fresh
  const read_seq = Math.max(known.read_seq, fresh.read_seq)
  const peer_read_seq =
    fresh.peer_read_seq === null
      ? null
      : Math.max(known.peer_read_seq ?? 0, fresh.peer_read_seq)
  const ahead = known.last_mod > fresh.last_mod
  const next: Chat = {
    ...fresh,
    read_seq,
    peer_read_seq,
    last_mod: Math.max(known.last_mod, fresh.last_mod),
    last_seq: ahead ? known.last_seq : fresh.last_seq,
    last_message: ahead ? known.last_message : fresh.last_message,
    member_count: ahead ? known.member_count : fresh.member_count,
    unread: ahead || known.read_seq > fresh.read_seq ? known.unread : fresh.unread,
  }
  if (next.read_seq >= next.last_seq) next.unread = 0
  return next
}

/**
 * Latest activity first; before them the chats with a message in the outbox. `queued`: by chat, when its last message in
 * the outbox was written, in ms.
 */
export function sortChats(chats: Iterable<Chat>, queued: ReadonlyMap<number, number>): Chat[] {
  const queuedAt = (chat: Chat) => queued.get(chat.chat_id) ?? 0
  return [...chats].sort(
    (a, b) =>
      queuedAt(b) - queuedAt(a) ||
      (b.activity ?? 0) - (a.activity ?? 0) ||
      b.chat_id - a.chat_id,
  )
}

