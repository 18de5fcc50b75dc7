import { useImperativeHandle, useRef, useState, type Ref } from 'react'
import { dayName } from '../format'

/** How long the date stays after the last scrolling. */
const SHOWN_MS = 1_200

export interface FloatingDateHandle {
  /** Shows the day of this time; null hides it. */
  show(sentAt: string | null): void
}

/** The day of the first message on the screen, while the list scrolls. Screen readers find it in the list. */
export function FloatingDate({ ref }: { ref: Ref<FloatingDateHandle> }) {
  const [sentAt, setSentAt] = useState<string | null>(null)
  const [shown, setShown] = useState(false)
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)

  useImperativeHandle(
    ref,
    () => ({
      show(next) {
        clearTimeout(timer.current)
        setShown(next !== null)
        if (next === null) return
        setSentAt(next)
        timer.current = setTimeout(() => setShown(false), SHOWN_MS)
      },
    }),
    [],
  )

  if (sentAt === null) return null
  return (
    <p className={`floating-date ${shown ? '' : 'floating-date-hidden'}`} aria-hidden>
      <time dateTime={sentAt}>{dayName(sentAt)}</time>
    </p>
  )
}
