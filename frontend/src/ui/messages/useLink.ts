import { useEffect, useRef, useState } from 'react'
import { useLocation } from 'wouter'

/** How long the linked message is highlighted. */
const HIGHLIGHT_MS = 2_500

/**
 * Follows a link to a message: calls `jump` if the chat was open already. The link is removed from the
 * address, so that it can be followed again, and a reload keeps the reader's place. Returns the seq to
 * highlight; null if none.
 */
export function useLink(chatId: number, linkedSeq: number | null, loaded: boolean, jump: (seq: number) => void) {
  const [, navigate] = useLocation()
  // An object, so that the same link highlights its message for the whole time again.
  const [highlighted, setHighlighted] = useState(linkedSeq === null ? null : { seq: linkedSeq })
  const opened = useRef(linkedSeq)
  const latestJump = useRef(jump)
  useEffect(() => {
    latestJump.current = jump
  })

  useEffect(() => {
    if (linkedSeq === null) return
    if (opened.current !== linkedSeq) latestJump.current(linkedSeq)
    opened.current = null
    setHighlighted({ seq: linkedSeq })
    navigate(`/c/${chatId}`, { replace: true })
  }, [chatId, linkedSeq, navigate])

  useEffect(() => {
    if (highlighted === null || !loaded) return
    const timer = setTimeout(() => setHighlighted(null), HIGHLIGHT_MS)
    return () => clearTimeout(timer)
  }, [highlighted, loaded])

  return highlighted?.seq ?? null
}
