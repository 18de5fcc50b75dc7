import { useEffect, useState } from 'react'
import { isLoadingPage, liveMessages, segmentAt } from '../../core/history'
import type { AppState } from '../../core/state'
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
/** The same for a message that is newer than the cache: it may come with the first connection. */
const AWAITED_MS = 4_000

export const linkedPlace = (seq: number): Place => ({ seq, offset: LINK_OFFSET_PX })
export const firstUnreadPlace = (chat: Chat): Place => ({ seq: chat.read_seq + 1, offset: UNREAD_OFFSET_PX })

const NOTHING = { segment: undefined, messages: [], items: [] }

interface View {
  /** A message near the screen; null for the newest. */
  seq: number | null
  /** Where the list opens; null for its end. */
  target: Place | null
  /** Changes if the list is to be drawn again at `target`. */
  key: number
}

/** True while the server has not said whether there is a message at `seq`, or has it and it is not here yet. */
function isAwaited(state: AppState, id: number, seq: number | null): boolean {
  const history = state.histories.get(id)
  if (seq === null || segmentAt(history, seq)?.to !== Infinity) return false
  if (seq <= (liveMessages(history).at(-1)?.seq ?? 0)) return false
  const isConnected = state.socket === 'ready' || state.polling
  const isCurrent = isConnected && state.chatListLoaded && !state.catchingUp && !isLoadingPage(history)
  return !isCurrent || seq <= (state.chats.get(id)?.last_seq ?? 0)
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
  const awaited = useAppState((state) => isAwaited(state, id, view.seq))
  const loaded = useItems(id, view.seq)
  const items = awaited ? { ...loaded, ...NOTHING } : loaded

  const isMissing = items.segment === undefined
  useEffect(() => messenger.timeline.show(id, view.seq), [id, view.seq, isMissing])

  // Without the server the newest messages are shown if those at the target are not in the cache.
  const isCutOff = useAppState((state) => state.disconnectedAt !== null && !state.polling)
  const cachedSeq = useAppState((state) => liveMessages(state.histories.get(id))[0]?.seq)
  const isUnreachable = isMissing && isCutOff && !items.loading
  const patience = awaited ? AWAITED_MS : CUT_OFF_MS
  useEffect(() => {
    if (!isUnreachable || cachedSeq === undefined) return
    const target = awaited ? null : { seq: cachedSeq, offset: UNREAD_OFFSET_PX }
    const show = () => setView(({ key }) => ({ seq: target?.seq ?? null, target, key: key + 1 }))
    const timer = setTimeout(show, patience)
    return () => clearTimeout(timer)
  }, [isUnreachable, awaited, patience, cachedSeq])

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
