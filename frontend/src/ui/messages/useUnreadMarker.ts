import { useEffect, useMemo, useRef, useState } from 'react'
import type { Chat, Message } from '../../core/types'
import { isPageFocused } from '../../platform'
import { firstUnreadIndex } from './items'

interface Options {
  chat: Chat
  messages: readonly Message[]
  loaded: boolean
  more: boolean
  /** The number of items in the list. */
  count: number
  /** The id of the user. */
  me: number
}

/**
 * Returns the index of the first message that was unread when the chat was opened, or when the page
 * lost the focus; -1 if there is none. `clear` removes the marker.
 */
export function useUnreadMarker({ chat, messages, loaded, more, count, me }: Options) {
  const [readSeq, setReadSeq] = useState<number | null>(null)
  const [initialized, setInitialized] = useState(false)
  if (loaded && !initialized) {
    setInitialized(true)
    if (chat.unread > 0) setReadSeq(chat.read_seq)
  }

  const lastCount = useRef(count)
  useEffect(() => {
    if (count > lastCount.current && initialized && !isPageFocused() && chat.unread > 0)
      setReadSeq((known) => known ?? chat.read_seq)
    lastCount.current = count
  }, [count, initialized, chat.unread, chat.read_seq])

  const index = useMemo(() => {
    const first = messages[0]
    if (readSeq === null || first === undefined || (first.seq > readSeq + 1 && more)) return -1
    return firstUnreadIndex(messages, readSeq, me)
  }, [readSeq, messages, more, me])

  return { index, clear: () => setReadSeq(null) }
}
