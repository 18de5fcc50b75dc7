// What a row of the message list shows, and how neighbouring rows belong together. Pure functions.

import { countsAsUnread } from '../../core/chat'
import { indexOfSeq } from '../../core/merging'
import type { Outgoing, Refusable } from '../../core/operation'
import type { ShownMessage } from '../../core/pending'
import type { Message } from '../../core/types'
import { sameDay } from '../days'

/** A stored message, or a message in the outbox. */
export type Item = ShownMessage | Outgoing

/** Messages of one sender within this time form a block. */
const BLOCK_MS = 5 * 60_000

export const isStored = (item: Item): item is ShownMessage => 'message_id' in item
/** What the server has not acknowledged of an item. */
export const pendingOf = (item: Item): Refusable | undefined => (isStored(item) ? item.pending : item)
/** Equal before and after the ack, so that the row keeps its place. */
export const keyOf = (item: Item) => item.client_id ?? `m${(item as Message).message_id}`
export const timeOf = (item: Item) => (isStored(item) ? item.sent_at : item.created_at)

/** True if the item can be copied, changed or discarded. */
export function hasActions(item: Item): boolean {
  if (!isStored(item) || item.pending !== undefined) return true
  return item.kind === 'text' && !item.deleted && item.content != null
}

/** True if a stored message is a text of the user's own, which they may edit: a forwarded one is its author's. */
export const isOwnText = ({ sender_id, kind, deleted, forwarded_from }: Message, me: number) =>
  sender_id === me && kind === 'text' && !deleted && forwarded_from == null

/** True if two neighbouring items form a block. `me` is the id of the user. */
export function isSameBlock(a: Item | undefined, b: Item | undefined, me: number): boolean {
  if (a === undefined || b === undefined) return false
  const senderOf = (item: Item) => {
    if (!isStored(item)) return me
    return item.kind === 'text' ? item.sender_id : NaN
  }
  return (
    senderOf(a) === senderOf(b) &&
    sameDay(timeOf(a), timeOf(b)) &&
    Date.parse(timeOf(b)) - Date.parse(timeOf(a)) < BLOCK_MS
  )
}

/** The index of the first message of others after `readSeq`; -1 if there is none. */
export function firstUnreadIndex(messages: readonly Message[], readSeq: number, me: number): number {
  let index = indexOfSeq(messages, readSeq + 1)
  while (index < messages.length && messages[index]!.sender_id === me) index++
  return index < messages.length ? index : -1
}

/**
 * The seq up to which everything is read: the last seen message before the first unread one that was
 * not seen. `messages` may begin after `readSeq`.
 */
export function readThrough(
  messages: readonly Message[],
  readSeq: number,
  seen: ReadonlySet<number>,
  me: number,
): number {
  let through = readSeq
  for (let i = indexOfSeq(messages, readSeq + 1), next = readSeq + 1; ; i++, next++) {
    const message = messages[i]
    if (message?.seq !== next) return through
    if (seen.has(next)) through = next
    else if (countsAsUnread(message, me)) return through
  }
}

/** The index that a key moves the focus to, from `current` (-1: none); undefined if it does not. */
export function focusTarget(key: string, current: number, count: number): number | undefined {
  const last = count - 1
  const target = {
    ArrowUp: current < 0 ? last : current - 1,
    ArrowDown: current + 1,
    Home: 0,
    End: last,
  }[key]
  return target !== undefined && target >= 0 && target < count ? target : undefined
}
