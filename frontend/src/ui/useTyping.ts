import { useEffect, useRef } from 'react'
import { messenger } from '../platform'

/** The server passes on at most one `true` in 2 s, and shows it for 6 s. */
const REPEAT_MS = 3_000
const IDLE_MS = 5_000

/**
 * Sends the typing indicator of a chat: at the first change, again while changes continue, and its
 * end when they stop or the component unmounts. Sends nothing unless `enabled`.
 */
export function useTyping(chatId: number, enabled: boolean) {
  /** When `true` was last sent; 0 if the indicator is off. */
  const sentAt = useRef(0)
  const idleTimer = useRef<ReturnType<typeof setTimeout>>(undefined)

  const update = (isTyping: boolean) => {
    clearTimeout(idleTimer.current)
    if (!enabled) return
    if (isTyping) {
      idleTimer.current = setTimeout(() => update(false), IDLE_MS)
      if (Date.now() - sentAt.current < REPEAT_MS) return
      sentAt.current = Date.now()
    } else if (sentAt.current === 0) return
    else sentAt.current = 0
    messenger.operations.setTyping(chatId, isTyping)
  }

  /** The server ends the indicator when it receives the message. */
  const sent = () => {
    clearTimeout(idleTimer.current)
    sentAt.current = 0
  }

  const latestUpdate = useRef(update)
  useEffect(() => {
    latestUpdate.current = update
  })
  useEffect(() => () => latestUpdate.current(false), [])
  return { update, sent }
}
