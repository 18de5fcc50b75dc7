import { useEffect, useMemo, useRef, useState } from 'react'
import type { Segment } from '../../core/history'
import type { Chat } from '../../core/types'
import { isPageFocused } from '../../platform'
import { firstUnreadIndex } from './items'

interface Options {
  chat: Chat
  segment: Segment | undefined
  /** The id of the user. */
  me: number
  /** True if the end of the conversation is on the screen. */
  atEnd: boolean
}

/**
 * Returns the index of the first message that was unread when the chat was opened, or when messages came
 * that were not on the screen of a focused page; -1 if there is none in the segment. `clear` removes the
 * marker.
 */
export function useUnreadMarker({ chat, segment, me, atEnd }: Options) {
  const { unread, read_seq } = chat
  const [readSeq, setReadSeq] = useState<number | null>(unread > 0 ? read_seq : null)

  const lastUnread = useRef(unread)
  useEffect(() => {
    if (lastUnread.current === 0 && unread > 0 && (!atEnd || !isPageFocused())) setReadSeq(read_seq)
    lastUnread.current = unread
  }, [unread, read_seq, atEnd])

  const index = useMemo(() => {
    if (readSeq === null || segment === undefined || segment.from > readSeq + 1) return -1
    return firstUnreadIndex(segment.messages, readSeq, me)
  }, [readSeq, segment, me])

  return { index, clear: () => setReadSeq(null) }
}
