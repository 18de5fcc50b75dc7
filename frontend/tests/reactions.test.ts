import { describe, expect, it } from 'vitest'
import {
  applyAck,
  applyDeleted,
  applyPage,
  applyPinned,
  applyPush,
  applyReaction,
  applySync,
  beginPage,
  emptyHistory,
  messageAt,
  type History,
} from '../src/core/history'
import { withPendingReactions, withReaction } from '../src/core/reactions'
import type { Message, Reaction } from '../src/core/types'
import { message } from './fakes'

const ME = 1
const reaction = (emoji: string, user_ids: number[], count = user_ids.length): Reaction => ({
  emoji,
  count,
  user_ids,
  mine: user_ids.includes(ME),
})
const change = (mod: number, user_id: number, emoji = '👍', on = true) => ({ mod, user_id, emoji, on })
/** A history with message 1, which has these reactions. */
const withMessageOf = (reactions: Reaction[], fields: Partial<Message> = {}): History =>
  applyPage(beginPage(emptyHistory(10)), {
    from: 1,
    to: Infinity,
    messages: [message(1, { mod: 10, reactions, ...fields })],
  })
const apply = (history: History, ...changes: ReturnType<typeof change>[]) =>
  changes.reduce((next, one) => applyReaction(next, 1, one, ME), history)
const shown = (history: History) => messageAt(history, 1)?.reactions

describe('a reaction', () => {
  it('is added to its emoji, and removed from it', () => {
    const added = withReaction([reaction('👍', [5])], { user_id: ME, emoji: '👍', on: true }, ME)
    expect(added).toEqual([reaction('👍', [5, ME])])
    expect(withReaction(added, { user_id: 5, emoji: '👍', on: false }, ME)).toEqual([reaction('👍', [ME])])
    expect(withReaction([reaction('👍', [ME])], { user_id: ME, emoji: '👍', on: false }, ME)).toEqual([])
  })

  it('of another emoji comes last', () => {
    const added = withReaction([reaction('👍', [5])], { user_id: 6, emoji: '❤', on: true }, ME)
    expect(added).toEqual([reaction('👍', [5]), reaction('❤', [6])])
  })

  it('names at most 20 users, and counts all', () => {
    const ids = Array.from({ length: 20 }, (_, i) => 100 + i)
    const [added] = withReaction([reaction('👍', ids)], { user_id: ME, emoji: '👍', on: true }, ME)
    expect(added).toEqual({ emoji: '👍', count: 21, user_ids: ids, mine: true })
  })

  it('that is pending is shown, unless it is so already', () => {
    const base = message(1, { reactions: [reaction('👍', [ME]), reaction('❤', [5])] })
    const pending = [
      { emoji: '👍', on: true },
      { emoji: '❤', on: true },
      { emoji: '👍', on: false },
    ]
    expect(withPendingReactions(base, pending, ME).reactions).toEqual([reaction('❤', [5, ME])])
  })
})

describe('the reactions of a history', () => {
  it('change by pushes, and move the resume point', () => {
    const history = apply(withMessageOf([]), change(11, 5), change(12, 6), change(13, 5, '👍', false))
    expect(shown(history)).toEqual([reaction('👍', [6])])
    expect(history.mod).toBe(13)
  })

  it('do not change by what the version that was read has, or twice', () => {
    const history = apply(withMessageOf([reaction('👍', [5])]), change(10, 5), change(11, 6), change(11, 6))
    expect(shown(history)).toEqual([reaction('👍', [5, 6])])
  })

  it('include what was pushed after an ack with a higher mod', () => {
    const history = apply(withMessageOf([]), change(12, ME), change(11, 5))
    expect(shown(history)).toEqual([reaction('👍', [ME, 5])])
    expect(history.mod).toBe(12)
  })

  it('keep the later one of two changes of the same user', () => {
    const history = apply(withMessageOf([reaction('👍', [ME])]), change(13, ME, '👍', false), change(12, ME))
    expect(shown(history)).toEqual([])
  })

  it('survive an edit, and the pushes behind it', () => {
    const { reactions: _, ...edited } = message(1, { mod: 12, content: 'new' })
    const history = apply(applyPush(apply(withMessageOf([]), change(11, 5)), edited), change(13, 6))
    expect(messageAt(history, 1)).toMatchObject({ content: 'new', reactions: [reaction('👍', [5, 6])] })
  })

  it('are replaced by a version that was read later', () => {
    const history = apply(withMessageOf([]), change(11, 5))
    const synced = applySync(history, [message(1, { mod: 15, reactions: [reaction('❤', [6])] })])
    expect(shown(apply(synced, change(14, 7), change(16, 7)))).toEqual([reaction('❤', [6]), reaction('👍', [7])])
  })

  it('end with the message', () => {
    const history = applyDeleted(withMessageOf([reaction('👍', [5])]), {
      type: 'deleted',
      chat_id: 2,
      message_id: 1001,
      seq: 1,
      mod: 11,
    })
    expect(shown(apply(history, change(12, 6)))).toBeUndefined()
  })

  it('of a message that is being loaded are applied to the page', () => {
    const loading = beginPage(emptyHistory(10))
    const page = { from: 1, to: Infinity, messages: [message(1, { mod: 10, reactions: [] })] }
    expect(shown(applyPage(apply(loading, change(11, 5)), page))).toEqual([reaction('👍', [5])])
    const later = { ...page, messages: [message(1, { mod: 11, reactions: [reaction('👍', [5])] })] }
    expect(shown(applyPage(apply(loading, change(11, 5)), later))).toEqual([reaction('👍', [5])])
  })

  it('leave a gap open', () => {
    const history = applyAck(apply(withMessageOf([]), change(12, 5)), null, 13)
    expect([history.mod, history.ahead]).toEqual([10, [12, 13]])
  })
})

it('a pin is a change of the message', () => {
  const frame = { type: 'pinned', chat_id: 2, message_id: 1001, seq: 1, mod: 11, user_id: 5, pinned: true } as const
  const history = applyPinned(withMessageOf([reaction('👍', [5])]), frame)
  expect(messageAt(history, 1)).toMatchObject({ pinned: true, mod: 11, reactions: [reaction('👍', [5])] })
  expect(history.mod).toBe(11)
  expect(messageAt(applyPinned(history, { ...frame, mod: 12, pinned: false }), 1)!.pinned).toBe(false)
})
