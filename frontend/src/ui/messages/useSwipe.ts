import { useRef, type PointerEvent } from 'react'

/** From here on a movement is a swipe, in px. */
const START_PX = 12
/** A swipe this long has its effect, in px. */
const DONE_PX = 56
const MAX_PX = 80

/**
 * Returns the event handlers that make an element follow a swipe of a finger to its end side, and call `onSwipe` if it
 * was long enough. `touch-action: pan-y` leaves these movements to the page.
 */
export function useSwipe(onSwipe: () => void) {
  const start = useRef<{ x: number; y: number; swiping: boolean } | null>(null)

  const move = (element: HTMLElement, px: number) => {
    element.style.translate = px === 0 ? '' : `${px}px`
    element.toggleAttribute('data-swiped', Math.abs(px) >= DONE_PX)
  }
  const end = (event: PointerEvent<HTMLElement>) => {
    const done = start.current?.swiping === true && event.currentTarget.hasAttribute('data-swiped')
    start.current = null
    move(event.currentTarget, 0)
    if (done && event.type === 'pointerup') onSwipe()
  }

  return {
    onPointerDown: (event: PointerEvent<HTMLElement>) => {
      if (event.pointerType === 'touch') start.current = { x: event.clientX, y: event.clientY, swiping: false }
    },
    onPointerMove: (event: PointerEvent<HTMLElement>) => {
      const from = start.current
      if (from === null) return
      const sign = getComputedStyle(event.currentTarget).direction === 'rtl' ? -1 : 1
      const along = (event.clientX - from.x) * sign
      if (!from.swiping && Math.abs(event.clientY - from.y) > Math.max(START_PX, along)) start.current = null
      else if (from.swiping || along > START_PX) {
        from.swiping = true
        move(event.currentTarget, sign * Math.min(Math.max(along, 0), MAX_PX))
      }
    },
    onPointerUp: end,
    onPointerCancel: end,
  }
}
