// The messages of one chat, and the resume point up to which all of its changes are known.
// Pure functions over immutable values.
//
// `segments` are the loaded parts of the conversation, oldest first and apart from each other:
//
//     seq 1                    40 ─────────── 91                     300 ─────────── Infinity
//         (not loaded)         [   a segment   ]     (not loaded)    [ the live segment
//
// A segment has every message from seq `from` to seq `to`. The live segment reaches the newest
// message, so its `to` is Infinity; only to it new messages are added. A page that touches segments
// is joined with them. Two messages with the same seq are versions of one message; the version with
// the higher mod is kept.
//
// `mod` is the resume point: all changes up to it are in the segments. Pushes arrive in the order of
// mod and advance it by one. The ack of an own send may overtake a push; its mod then waits in
// `ahead` until the gap is closed. The messages of a sync also come in the order of mod, so each
// batch advances `mod` to that of its last message.

import { indexOfSeq, mergeMessages } from './merging'
import { withReactionChange } from './reactions'
import { relationsOf, withRelations } from './replies'
import type { Deleted, Message, PinnedFrame, ReactionChange } from './types'

export interface Segment {
  /** The seq of the first message that it covers; 1 at the beginning of the conversation. */
  readonly from: number
  /** The seq of the last message that it covers; Infinity in the live segment. */
  readonly to: number
  /** Sorted by seq, each seq once. A message whose predecessors are on their way leaves a gap. */
  readonly messages: readonly Message[]
}

export interface History {
  readonly segments: readonly Segment[]
  /** null until the first push: only then is it known where the changes begin. */
  readonly mod: number | null
  /** Mods received that are separated from `mod` by a gap. */
  readonly ahead: readonly number[]
  /**
   * Changes to messages outside the segments that came while a page was requested: the page may
   * contain an older version. null if no page is requested.
   */
  readonly buffered: readonly Message[] | null
  /** Reactions and pins of such messages, for the same reason. */
  readonly deferred: readonly Deferred[]
}

interface Deferred {
  readonly seq: number
  readonly change: (message: Message) => Message
}

/** A sync of more changes than this costs more than loading the newest page. */
const SYNC_MAX_CHANGES = 1_000
/** A segment with more messages than this is cut to the second number. */
const SEGMENT_MAX = 1_000
const SEGMENT_KEPT = 800
const SEGMENTS_MAX = 5

export function emptyHistory(mod: number | null): History {
  return { segments: [], mod, ahead: [], buffered: null, deferred: [] }
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
  const isComplete = history.segments.length > 0 && history.mod !== null
  if (isComplete && lastMod - history.mod <= SYNC_MAX_CHANGES) return history
  // A requested page will be at least as new as the list.
  return { ...emptyHistory(mod), buffered: history.buffered, deferred: history.deferred }
}

const covers = ({ from, to }: Segment, seq: number) => from <= seq && seq <= to
const isLive = ({ to }: Segment) => to === Infinity

/** The segment that covers `seq`; for null the live one. */
export function segmentAt(history: History | undefined, seq: number | null): Segment | undefined {
  return history?.segments.find((segment) => covers(segment, seq ?? Infinity))
}

/** The newest messages; empty if they are not loaded. */
export function liveMessages(history: History | undefined): readonly Message[] {
  return segmentAt(history, null)?.messages ?? []
}

/** A message, if it is loaded. */
export function messageAt(history: History | undefined, seq: number): Message | undefined {
  const messages = segmentAt(history, seq)?.messages ?? []
  const message = messages[indexOfSeq(messages, seq)]
  return message?.seq === seq ? message : undefined
}

/**
 * Merges the messages that segments cover. Buffers the others while a page is requested. A message that a segment lacks is
 * new; `isNew` says it of those outside of the segments.
 */
function mergeLoaded(history: History, incoming: readonly Message[], isNew = false): History {
  const relations = relationsOf(incoming, ({ seq }) => {
    const segment = segmentAt(history, seq)
    return segment === undefined ? isNew : messageAt(history, seq) === undefined
  })
  const segments = history.segments.map((segment) => {
    const merged = mergeMessages(
      segment.messages,
      incoming.filter((message) => covers(segment, message.seq)),
    )
    const messages = withRelations(merged, relations)
    return messages === segment.messages ? segment : { ...segment, messages }
  })
  if (history.buffered === null) return { ...history, segments }
  const outside = incoming.filter((message) => segmentAt(history, message.seq) === undefined)
  return { ...history, segments, buffered: mergeMessages(history.buffered, outside) }
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

/** A `message` (`isNew`) or `edited` push. */
export function applyPush(history: History, message: Message, isNew = false): History {
  // Pushes come in the order of mod. Changes before the first push are part of the page that was
  // loaded or will be.
  const base = history.mod === null ? { ...history, mod: message.mod - 1 } : history
  return recordMod(mergeLoaded(base, [message], isNew), message.mod)
}

/** The ack of an own send or change. `message` is null if its content is not known. */
export function applyAck(history: History, message: Message | null, mod: number): History {
  return recordMod(message === null ? history : mergeLoaded(history, [message], true), mod)
}

/** A `deleted` push. It lacks the sender: for an unknown message the next sync brings the rest. */
export function applyDeleted(history: History, deleted: Deleted): History {
  const base = history.mod === null ? { ...history, mod: deleted.mod - 1 } : history
  const neighbours = segmentAt(base, deleted.seq)?.messages ?? []
  const before = neighbours[indexOfSeq(neighbours, deleted.seq) - 1]
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
  return recordMod(mergeLoaded(base, [tombstone]), deleted.mod)
}

/** Changes a message. If it is not loaded, a page that is requested may bring it without the change. */
function changeLoaded(history: History, { seq, change }: Deferred): History {
  const known = messageAt(history, seq)
  if (known === undefined)
    return history.buffered === null ? history : { ...history, deferred: [...history.deferred, { seq, change }] }
  const changed = change(known)
  const segments = history.segments.map((segment) =>
    covers(segment, seq)
      ? { ...segment, messages: segment.messages.map((message) => (message === known ? changed : message)) }
      : segment,
  )
  return changed === known ? history : { ...history, segments }
}

/** A `reaction` push, or the ack of an own reaction. */
export function applyReaction(history: History, seq: number, reaction: ReactionChange, me: number): History {
  const base = history.mod === null ? { ...history, mod: reaction.mod - 1 } : history
  const change = (message: Message) => withReactionChange(message, reaction, me)
  return recordMod(changeLoaded(base, { seq, change }), reaction.mod)
}

/** A message after a `pinned` push. */
export const withPinned = (message: Message, { mod, pinned }: PinnedFrame): Message =>
  mod > message.mod ? { ...message, pinned, mod } : message

/** A `pinned` push. */
export function applyPinned(history: History, frame: PinnedFrame): History {
  const { seq, mod } = frame
  const base = history.mod === null ? { ...history, mod: mod - 1 } : history
  const change = (message: Message) => withPinned(message, frame)
  return recordMod(changeLoaded(base, { seq, change }), mod)
}

/** A batch of the response to a sync. */
export function applySync(history: History, incoming: readonly Message[]): History {
  const last = incoming.reduce((mod, message) => Math.max(mod, message.mod), history.mod ?? 0)
  return advance(mergeLoaded(history, incoming), last, history.ahead)
}

/** A single message read over HTTP. It says nothing about the resume point. */
export const applyMessage = (history: History, message: Message) => mergeLoaded(history, [message])

/** A page was requested. */
export const beginPage = (history: History): History => ({ ...history, buffered: history.buffered ?? [] })

/** The request for a page failed. */
export const failPage = (history: History): History => ({ ...history, buffered: null, deferred: [] })

/**
 * A page read over HTTP, with the seqs that it covers. It says nothing about the resume point, because
 * pushes of changes that it contains may still be on their way.
 */
export function applyPage(history: History, page: Segment): History {
  const segments = joinSegments(history.segments, page)
  const merged = mergeLoaded({ ...history, segments, buffered: null, deferred: [] }, history.buffered ?? [])
  const next = history.deferred.reduce(changeLoaded, merged)
  // A conversation without messages: its first change will be mod 1.
  const isEmpty = page.from === 1 && isLive(page) && page.messages.length === 0
  return history.mod === null && isEmpty ? advance(next, 0, next.ahead) : next
}

function joinSegments(segments: readonly Segment[], page: Segment): readonly Segment[] {
  let joined = page
  const apart: Segment[] = []
  for (const segment of segments)
    if (segment.to + 1 < page.from || page.to + 1 < segment.from) apart.push(segment)
    else
      joined = {
        from: Math.min(segment.from, joined.from),
        to: Math.max(segment.to, joined.to),
        messages: mergeMessages(segment.messages, joined.messages),
      }
  const distance = (segment: Segment) => (isLive(segment) ? 0 : Math.abs(segment.from - joined.from))
  const nearest = apart.sort((a, b) => distance(a) - distance(b)).slice(0, SEGMENTS_MAX - 1)
  return [...nearest, joined].sort((a, b) => a.from - b.from)
}

/**
 * Cuts the segment around `seq` if it is too long, at the end that is farther from `seq`. Only one end
 * is cut at a time, because the list on the screen can keep its place only then.
 */
export function trimSegment(history: History, seq: number): History {
  const segment = segmentAt(history, seq)
  if (segment === undefined || segment.messages.length <= SEGMENT_MAX) return history
  const { messages } = segment
  const before = indexOfSeq(messages, seq)
  const cut =
    before > messages.length - before ? messages.slice(-SEGMENT_KEPT) : messages.slice(0, SEGMENT_KEPT)
  const trimmed: Segment = {
    from: cut[0] === messages[0] ? segment.from : cut[0]!.seq,
    to: cut.at(-1) === messages.at(-1) ? segment.to : cut.at(-1)!.seq,
    messages: cut,
  }
  return { ...history, segments: history.segments.map((s) => (s === segment ? trimmed : s)) }
}

/** True if a change or a message is missing that was to arrive without a request. */
export function hasGap(history: History): boolean {
  return (history.ahead.length > 0 && history.mod !== null) || messageBeforeGap(history) !== undefined
}

/** The last message before the first missing one; undefined if no message is missing. */
export function messageBeforeGap({ segments }: History): Message | undefined {
  for (const { messages } of segments) {
    const first = messages[0]
    if (first === undefined || messages.at(-1)!.seq - first.seq + 1 === messages.length) continue
    return messages.find((message, i) => messages[i + 1]!.seq !== message.seq + 1)
  }
  return undefined
}
