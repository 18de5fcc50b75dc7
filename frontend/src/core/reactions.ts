// The reactions to a message: what the frames of the server and the outbox do to them. Pure functions.
//
// A message that is read has all its reactions. From then on each `reaction` frame changes one of them. The
// ack of an own reaction may come before the frames of lower mods, so that the changes are kept until the
// message is read again: one that comes twice, or that a later one of the same user and emoji has
// overtaken, changes nothing.

import type { Message, Reaction, ReactionChange } from './types'

/** The users of each emoji that are named; the others are only counted. */
const NAMED = 20
/** A presentation selector does not matter to the server, which answers without it. */
export const plainEmoji = (emoji: string) => emoji.replaceAll('\ufe0f', '')

/** Adds a user's reaction, or removes it. */
export function withReaction(
  reactions: readonly Reaction[],
  { user_id, emoji, on }: Omit<ReactionChange, 'mod'>,
  me: number,
): Reaction[] {
  const known = reactions.find((one) => one.emoji === emoji)
  if (known === undefined)
    return on ? [...reactions, { emoji, count: 1, user_ids: [user_id], mine: user_id === me }] : [...reactions]
  const others = known.user_ids.filter((id) => id !== user_id)
  const changed: Reaction = {
    emoji,
    count: known.count + (on ? 1 : -1),
    user_ids: on && others.length < NAMED ? [...others, user_id] : others,
    mine: user_id === me ? on : known.mine,
  }
  return reactions.flatMap((one) => (one !== known ? [one] : changed.count > 0 ? [changed] : []))
}

/** A `reaction` frame, or the ack of an own one. */
export function withReactionChange(message: Message, change: ReactionChange, me: number): Message {
  const { mod: base, changes } = message.reacted ?? { mod: message.mod, changes: [] }
  const isKnown = ({ mod, user_id, emoji }: ReactionChange) =>
    mod === change.mod || (mod > change.mod && user_id === change.user_id && emoji === change.emoji)
  if (message.deleted || change.mod <= base || changes.some(isKnown)) return message
  return {
    ...message,
    mod: Math.max(message.mod, change.mod),
    reactions: withReaction(message.reactions ?? [], change, me),
    reacted: { mod: base, changes: [...changes, change] },
  }
}

/** The version `next` of a message with the reactions that it lacks: a push of an edit has none. */
export function keepReactions(old: Message, next: Message): Message {
  if (next.deleted || next.reactions !== undefined || old.reactions === undefined) return next
  const { mod: base, changes } = old.reacted ?? { mod: old.mod, changes: [] }
  return { ...next, reactions: old.reactions, reacted: { mod: base, changes } }
}

/** The reactions as they will be when the outbox is empty. */
export function withPendingReactions(
  message: Message,
  pending: readonly { emoji: string; on: boolean }[],
  me: number,
): Message {
  const reactions = pending.reduce<readonly Reaction[]>((shown, { emoji, on }) => {
    const isMine = shown.find((one) => one.emoji === emoji)?.mine ?? false
    return isMine === on ? shown : withReaction(shown, { user_id: me, emoji, on }, me)
  }, message.reactions ?? [])
  return { ...message, reactions: [...reactions] }
}
