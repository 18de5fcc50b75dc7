// What a click on an emoji does.

import { plainEmoji } from '../../core/reactions'
import type { Message } from '../../core/types'
import { messenger } from '../../platform'
import { prefs, rememberEmoji } from '../../prefs'

const COMMON = ['👍', '❤', '😂', '😮', '😢', '🙏']

/** The emoji that the menu of a message offers: the latest ones, filled up with common ones. */
export function quickEmoji(): readonly string[] {
  const recent = prefs.getState().recentEmoji.map(plainEmoji)
  return [...new Set([...recent.slice(0, 3), ...COMMON])].slice(0, COMMON.length)
}

export const isMine = ({ reactions }: Message, emoji: string) =>
  reactions?.some((one) => one.mine && one.emoji === plainEmoji(emoji)) ?? false

/** Adds the own reaction, or removes it if it is there. */
export function toggleReaction(message: Message, emoji: string): void {
  const on = !isMine(message, emoji)
  if (on) rememberEmoji(emoji)
  messenger.operations.react(message, emoji, on)
}
