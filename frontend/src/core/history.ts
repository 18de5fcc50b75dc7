// One chat's messages as this page knows them, and how far its changes are known without a hole.
// Pure functions over immutable values.
//
// `messages` is a window on the conversation: sorted by seq, each seq once, reaching up to the
// newest. What lies before its first seq has not been loaded. Two messages are the same if their
// seq is the same; of two versions the one with the higher mod is kept.
//
// `mod` is the resume point: every change up to it is reflected here. Pushes raise it one by one;
// acks of our own sends arrive beside the pushes and may overtake them, so what is ahead of a hole
// waits in `ahead`. A sync answers in mod order, so a piece of it raises `mod` to its last message's.

import type { Deleted, Message } from './types'

export interface History {
  readonly messages: readonly Message[]
  /** null: nothing known yet; the first push tells where we joined. */
  readonly mod: number | null
  readonly ahead: readonly number[]
  /** A page of history has been loaded. */
  readonly loaded: boolean
  /** There is more before the first message. */
  readonly more: boolean
  /**
   * While a page is on its way: what came meanwhile for messages outside the window, in case the
   * page holds an older state of them. null: no page is on its way.
   */
  readonly strays: readonly Message[] | null
}

export function emptyHistory(mod: number | null): History {
  return { messages: [], mod, ahead: [], loaded: false, more: true, strays: null }
}

/** The index of the first message whose seq is at least `seq`. */
export function indexOfSeq(messages: readonly Message[], seq: number): number {
  let low = 0
  let high = messages.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (messages[middle]!.seq < seq) low = middle + 1
    else high = middle
  }
  return low
}

export function findSeq(messages: readonly Message[], seq: number): Message | undefined {
  const found = messages[indexOfSeq(messages, seq)]
  return found?.seq === seq ? found : undefined
}

function newer(old: Message, next: Message): Message {
  if (next.mod < old.mod || (next.mod === old.mod && next.partial)) return old
  // Only its sender is told a client_id, and only sometimes; it never changes.
  const named =
    next.client_id === undefined && old.client_id !== undefined
      ? { ...next, client_id: old.client_id }
      : next
  if (!next.partial || old.partial) return named
  const { partial: _, ...whole } = named
  return { ...whole, sender_id: old.sender_id, sent_at: old.sent_at }
}

/** Puts messages, in any order and with repeats, where they belong. */
export function mergeMessages(
  into: readonly Message[],
  incoming: readonly Message[],
): readonly Message[] {
  if (incoming.length === 0) return into
  if (incoming.length === 1) return mergeOne(into, incoming[0]!)
  const bySeq = new Map<number, Message>()
  for (const message of incoming) {
    const known = bySeq.get(message.seq)
    bySeq.set(message.seq, known ? newer(known, message) : message)
  }
  const fresh = [...bySeq.values()].sort((a, b) => a.seq - b.seq)
  const out: Message[] = []
  let i = 0
  let j = 0
  while (i < into.length || j < fresh.length) {
    const a = into[i]
    const b = fresh[j]
    if (b === undefined || (a !== undefined && a.seq < b.seq)) {
      out.push(a!)
      i++
    } else if (a === undefined || b.seq < a.seq) {
      out.push(b)
      j++
    } else {
      out.push(newer(a, b))
      i++
      j++
    }
  }
  return out
}

function mergeOne(into: readonly Message[], message: Message): readonly Message[] {
  const index = indexOfSeq(into, message.seq)
  const there = into[index]
  if (there?.seq === message.seq) {
    const kept = newer(there, message)
    return kept === there ? into : [...into.slice(0, index), kept, ...into.slice(index + 1)]
  }
  return [...into.slice(0, index), message, ...into.slice(index)]
}

/** Merges what lies in the window; the rest is of interest only to a page on its way. */
function take(history: History, incoming: readonly Message[]): History {
  const first = history.messages[0]?.seq ?? (history.loaded ? 0 : Infinity)
  const inside = incoming.filter((message) => message.seq >= first)
  const messages = mergeMessages(history.messages, inside)
  if (history.strays === null || inside.length === incoming.length) return { ...history, messages }
  const outside = incoming.filter((message) => message.seq < first)
  return { ...history, messages, strays: mergeMessages(history.strays, outside) }
}

function advance(history: History, mod: number, ahead: readonly number[]): History {
  let head = mod
  const waiting = ahead.filter((m) => m > head).sort((a, b) => a - b)
  while (waiting[0] === head + 1) head = waiting.shift()!
  return { ...history, mod: head, ahead: waiting }
}

function note(history: History, mod: number): History {
  if (history.mod === null) return { ...history, ahead: [...history.ahead, mod] }
  if (mod <= history.mod) return history
  return advance(history, history.mod, [...history.ahead, mod])
}

/** A `message` or `edited` push. */
export function applyPush(history: History, message: Message): History {
  // Pushes of a chat come in mod order: where the first one is the first we hear of the chat,
  // everything before it is in what was or will be read from the server.
  const base = history.mod === null ? { ...history, mod: message.mod - 1 } : history
  return note(take(base, [message]), message.mod)
}

/** Our own send or change was committed. */
export function applyAck(history: History, message: Message | null, mod: number): History {
  return note(message === null ? history : take(history, [message]), mod)
}

/** A `deleted` push. It does not say who sent the message; an unknown one is told by the next sync. */
export function applyDeleted(history: History, deleted: Deleted): History {
  const base = history.mod === null ? { ...history, mod: deleted.mod - 1 } : history
  const before = base.messages[indexOfSeq(base.messages, deleted.seq) - 1]
  const grave: Message = {
    message_id: deleted.message_id,
    chat_id: deleted.chat_id,
    seq: deleted.seq,
    mod: deleted.mod,
    sender_id: null,
    kind: 'text',
    content: null,
    deleted: true,
    sent_at: before?.sent_at ?? new Date(0).toISOString(),
    partial: true,
  }
  return note(take(base, [grave]), deleted.mod)
}

/** A piece of the answer to a sync. */
export function applySync(history: History, incoming: readonly Message[]): History {
  const top = incoming.reduce((mod, message) => Math.max(mod, message.mod), history.mod ?? 0)
  return advance(take(history, incoming), top, history.ahead)
}

/** A page of history has been asked for. */
export function beginPage(history: History): History {
  return { ...history, strays: history.strays ?? [] }
}

/** No page came. */
export function failPage(history: History): History {
  return { ...history, strays: null }
}

/**
 * A page of history read over HTTP, the newest or the one before our window. It says nothing of mod:
 * pushes of what it already holds may still be on the way.
 */
export function applyPage(history: History, page: readonly Message[], more: boolean): History {
  const start = more ? (page[0]?.seq ?? Infinity) : 0
  const strays = (history.strays ?? []).filter((message) => message.seq >= start)
  const messages = mergeMessages(mergeMessages(history.messages, page), strays)
  const next = { ...history, messages, loaded: true, more, strays: null }
  // A conversation that has not begun: there is nothing before its first change.
  return history.mod === null && page.length === 0 && !more ? advance(next, 0, next.ahead) : next
}

/** Something is missing that should have come by itself. */
export function hasHole(history: History): boolean {
  if (history.ahead.length > 0 && history.mod !== null) return true
  const first = history.messages[0]
  const last = history.messages.at(-1)
  return first !== undefined && last!.seq - first.seq + 1 !== history.messages.length
}
