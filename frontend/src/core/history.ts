// The messages of one chat, and the resume point up to which all of its changes are known.
// Pure functions over immutable values.
//
// `messages` is a window on the conversation: sorted by seq, each seq once, up to the newest message.
// Messages before the first seq are not loaded. Two messages with the same seq are versions of one
// message; the version with the higher mod is kept.
//
// `mod` is the resume point: all changes up to it are in the window. Pushes arrive in the order of
// mod and advance it by one. The ack of an own send may overtake a push; its mod then waits in
// `ahead` until the gap is closed. The messages of a sync also come in the order of mod, so each
// batch advances `mod` to that of its last message.

import type { Deleted, Message } from './types'

export interface History {
  readonly messages: readonly Message[]
  /** null until the first push: only then is it known where the changes begin. */
  readonly mod: number | null
  /** Mods received that are separated from `mod` by a gap. */
  readonly ahead: readonly number[]
  /** True if a page was loaded. */
  readonly loaded: boolean
  /** True if there are messages before the window. */
  readonly more: boolean
  /**
   * Changes to messages outside the window that came while a page was requested: the page may
   * contain an older version. null if no page is requested.
   */
  readonly buffered: readonly Message[] | null
}

/** A sync of more changes than this costs more than loading the newest page. */
const SYNC_MAX_CHANGES = 1_000

export function emptyHistory(mod: number | null): History {
  return { messages: [], mod, ahead: [], loaded: false, more: true, buffered: null }
}

export function isLoadingPage(history: History | undefined): boolean {
  return history !== undefined && history.buffered !== null
}

/**
 * The history to continue with after the chat list gave `lastMod` as the chat's latest change. An
 * empty result has to be loaded again; otherwise a sync from its `mod` completes it.
 */
export function resumeHistory(history: History | undefined, lastMod: number): History {
  if (history === undefined) return emptyHistory(lastMod)
  const mod = Math.max(history.mod ?? 0, lastMod)
  const isComplete = history.loaded && history.mod !== null
  if (isComplete && lastMod - history.mod <= SYNC_MAX_CHANGES) return history
  // The requested page will be at least as new as the list.
  return history.buffered !== null ? { ...history, mod } : emptyHistory(mod)
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

/** Chooses between two versions of one message, and completes it by what only the other has. */
function newerVersion(old: Message, next: Message): Message {
  if (next.mod < old.mod || (next.mod === old.mod && next.partial)) return old
  // client_id never changes, but not every version carries it.
  const identified =
    next.client_id === undefined && old.client_id !== undefined
      ? { ...next, client_id: old.client_id }
      : next
  if (!next.partial || old.partial) return identified
  const { partial: _, ...complete } = identified
  return { ...complete, sender_id: old.sender_id, sent_at: old.sent_at }
}

/** Merges messages, in any order and with repeats, into a list sorted by seq. */
export function mergeMessages(
  into: readonly Message[],
  incoming: readonly Message[],
): readonly Message[] {
  if (incoming.length === 0) return into
  if (incoming.length === 1) return mergeOne(into, incoming[0]!)
  const bySeq = new Map<number, Message>()
  for (const message of incoming) {
    const known = bySeq.get(message.seq)
    bySeq.set(message.seq, known ? newerVersion(known, message) : message)
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
      out.push(newerVersion(a, b))
      i++
      j++
    }
  }
  return out
}

function mergeOne(into: readonly Message[], message: Message): readonly Message[] {
  const index = indexOfSeq(into, message.seq)
  const existing = into[index]
  if (existing?.seq === message.seq) {
    const kept = newerVersion(existing, message)
    return kept === existing ? into : [...into.slice(0, index), kept, ...into.slice(index + 1)]
  }
  return [...into.slice(0, index), message, ...into.slice(index)]
}

/** Merges the messages that are inside the window. Buffers the others while a page is requested. */
function mergeInWindow(history: History, incoming: readonly Message[]): History {
  const first = history.messages[0]?.seq ?? (history.loaded ? 0 : Infinity)
  const inside = incoming.filter((message) => message.seq >= first)
  const messages = mergeMessages(history.messages, inside)
  if (history.buffered === null || inside.length === incoming.length)
    return { ...history, messages }
  const outside = incoming.filter((message) => message.seq < first)
  return { ...history, messages, buffered: mergeMessages(history.buffered, outside) }
}

/** Sets the resume point to `mod`, or higher if `ahead` continues from there without a gap. */
function advance(history: History, mod: number, ahead: readonly number[]): History {
  let head = mod
  const waiting = ahead.filter((m) => m > head).sort((a, b) => a - b)
  while (waiting[0] === head + 1) head = waiting.shift()!
  return { ...history, mod: head, ahead: waiting }
}

/** Records that the change `mod` was received. */
function recordMod(history: History, mod: number): History {
  if (history.mod === null) return { ...history, ahead: [...history.ahead, mod] }
  if (mod <= history.mod) return history
  return advance(history, history.mod, [...history.ahead, mod])
}

/** A `message` or `edited` push. */
export function applyPush(history: History, message: Message): History {
  // Pushes come in the order of mod. Changes before the first push are part of the page that was
  // loaded or will be.
  const base = history.mod === null ? { ...history, mod: message.mod - 1 } : history
  return recordMod(mergeInWindow(base, [message]), message.mod)
}

/** The ack of an own send or change. `message` is null if its content is not known. */
export function applyAck(history: History, message: Message | null, mod: number): History {
  return recordMod(message === null ? history : mergeInWindow(history, [message]), mod)
}

/** A `deleted` push. It lacks the sender: for an unknown message the next sync brings the rest. */
export function applyDeleted(history: History, deleted: Deleted): History {
  const base = history.mod === null ? { ...history, mod: deleted.mod - 1 } : history
  const before = base.messages[indexOfSeq(base.messages, deleted.seq) - 1]
  const tombstone: Message = {
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
  return recordMod(mergeInWindow(base, [tombstone]), deleted.mod)
}

/** A batch of the response to a sync. */
export function applySync(history: History, incoming: readonly Message[]): History {
  const last = incoming.reduce((mod, message) => Math.max(mod, message.mod), history.mod ?? 0)
  return advance(mergeInWindow(history, incoming), last, history.ahead)
}

/** A single message read over HTTP. It says nothing about the resume point. */
export function applyMessage(history: History, message: Message): History {
  return history.loaded ? mergeInWindow(history, [message]) : history
}

/** A page was requested. */
export function beginPage(history: History): History {
  return { ...history, buffered: history.buffered ?? [] }
}

/** The request for a page failed. */
export function failPage(history: History): History {
  return { ...history, buffered: null }
}

/**
 * A page read over HTTP: the newest, or the one before the window. It says nothing about the resume
 * point, because pushes of changes that it contains may still be on their way.
 */
export function applyPage(history: History, page: readonly Message[], more: boolean): History {
  const start = more ? (page[0]?.seq ?? Infinity) : 0
  const buffered = (history.buffered ?? []).filter((message) => message.seq >= start)
  const messages = mergeMessages(mergeMessages(history.messages, page), buffered)
  const next = { ...history, messages, loaded: true, more, buffered: null }
  // A conversation without messages: its first change will be mod 1.
  return history.mod === null && page.length === 0 && !more ? advance(next, 0, next.ahead) : next
}

/** True if a change or a message is missing that was to arrive without a request. */
export function hasGap(history: History): boolean {
  if (history.ahead.length > 0 && history.mod !== null) return true
  const first = history.messages[0]
  const last = history.messages.at(-1)
  return first !== undefined && last!.seq - first.seq + 1 !== history.messages.length
}

/** The last message before the first missing one; undefined if no message is missing. */
export function messageBeforeGap({ messages }: History): Message | undefined {
  return messages.find((message, i) => {
    const next = messages[i + 1]
    return next !== undefined && next.seq !== message.seq + 1
  })
}
