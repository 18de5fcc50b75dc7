import { useEffect, useState } from 'react'
import { liveMessages } from '../../core/history'
import type { Chat } from '../../core/types'
import { messenger } from '../../platform'
import { placeIn, type Place } from '../../places'
import { useAppState } from '../hooks'
import { useItems } from './useItems'

/** Space above the first unread message, in px. */
export const UNREAD_OFFSET_PX = 90
/** Space above a message that a link names, in px. */
const LINK_OFFSET_PX = 120
/** The view follows a scroll of this many messages. A segment keeps more than that on both sides of the screen. */
const STEP = 50
/** How long the server may be unreachable before the cache is shown in place of the target. */
const CUT_OFF_MS = 500

export const linkedPlace = (seq: number): Place => ({ seq, offset: LINK_OFFSET_PX })
export const firstUnreadPlace = (chat: Chat): Place => ({ seq: chat.read_seq + 1, offset: UNREAD_OFFSET_PX })

interface View {
  /** A message near the screen; null for the newest. */
  seq: number | null
  /** Where the list opens; null for its end. */
  target: Place | null
  /** Changes if the list is to be drawn again at `target`. */
  key: number
}

/**
 * The part of the history on the screen. It opens at `linkedSeq`, or where the reader was, or at the first
 * unread message, or at the end.
 */
export function useView(chat: Chat, me: number, linkedSeq: number | null) {
  const id = chat.chat_id
  const [view, setView] = useState<View>(() => {
    const target =
      linkedSeq !== null
        ? linkedPlace(linkedSeq)
        : (placeIn(me, id) ?? (chat.unread > 0 ? firstUnreadPlace(chat) : null))
    return { seq: target?.seq ?? null, target, key: 0 }
  })
  const items = useItems(id, view.seq)

  const isMissing = items.segment === undefined
  useEffect(() => messenger.timeline.show(id, view.seq), [id, view.seq, isMissing])

  // Without the server the newest messages are shown if those at the target are not in the cache.
  const isCutOff = useAppState((state) => state.disconnectedAt !== null && !state.polling)
  const cachedSeq = useAppState((state) => liveMessages(state.histories.get(id))[0]?.seq)
  const isUnreachable = isMissing && isCutOff && !items.loading
  useEffect(() => {
    if (!isUnreachable || cachedSeq === undefined) return
    const target = { seq: cachedSeq, offset: UNREAD_OFFSET_PX }
    const timer = setTimeout(() => setView(({ key }) => ({ seq: cachedSeq, target, key: key + 1 })), CUT_OFF_MS)
    return () => clearTimeout(timer)
  }, [isUnreachable, cachedSeq])

  return {
    ...items,
    ...view,
    /** Draws the list again at another place; null: at its end. */
    open: (target: Place | null) =>
      setView(({ key }) => ({ seq: target?.seq ?? null, target, key: key + 1 })),
    /** The list was scrolled to `place`; null: to the end of the conversation. */
    moved: (place: Place | null) =>
      setView((view) => {
        const seq = place?.seq ?? null
        const isNear = seq === view.seq || (seq !== null && view.seq !== null && Math.abs(seq - view.seq) < STEP)
        return isNear ? view : { ...view, seq, target: place }
      }),
  }
}
