import { useRef } from 'react'
import { segmentAt } from '../../core/history'
import { isPageFocused, messenger } from '../../platform'
import { firstUnreadIndex, readThrough } from './items'
import type { Viewport } from './viewport'

/** True if the panel of a thread covers the messages. */
const isCovered = () => document.querySelector('.conversation')?.checkVisibility?.({ visibilityProperty: true }) === false

/**
 * Marks a chat as read as far as its messages were on the screen of a focused page, without a gap. `me` is
 * the id of the user.
 */
export function useReading(chatId: number, me: number) {
  const seen = useRef(new Set<number>())
  const lastSeen = useRef(0)

  const readSeq = () => messenger.store.getState().chats.get(chatId)?.read_seq ?? 0
  const history = () => messenger.store.getState().histories.get(chatId)

  return {
    /** To be called with what is on the screen. */
    read: (viewport: Viewport) => {
      if (!isPageFocused() || isCovered()) return
      for (const seq of viewport.seen) seen.current.add(seq)
      lastSeen.current = Math.max(lastSeen.current, viewport.seen.at(-1) ?? 0)
      const before = readSeq()
      const messages = segmentAt(history(), before + 1)?.messages ?? []
      const through = readThrough(messages, before, seen.current, me)
      if (through > before) messenger.operations.read(chatId, through)
    },
    /** The reader jumped over what comes before `seq`: it does not count as unseen in `firstUnseen`. */
    skipTo: (seq: number) => {
      lastSeen.current = Math.max(lastSeen.current, seq)
    },
    /** The index of the first newest message of others that was not on the screen; -1 if there is none. */
    firstUnseen: () => {
      const messages = segmentAt(history(), null)?.messages ?? []
      return firstUnreadIndex(messages, Math.max(readSeq(), lastSeen.current), me)
    },
  }
}
