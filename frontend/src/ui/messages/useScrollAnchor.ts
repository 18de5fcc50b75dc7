import { useCallback, useEffect, useLayoutEffect, useRef, type RefObject } from 'react'
import type { VirtualizerHandle } from 'virtua'
import { indexOfSeq } from '../../core/merging'
import type { Message } from '../../core/types'
import type { Place } from '../../places'
import { keyOf, type Item } from './items'
import { UNREAD_OFFSET_PX } from './useView'
import { isAtEnd, measureBoxes, viewportOf, type Viewport } from './viewport'

/** A position is final if nothing moved for this time. Until then other rows may be on the screen. */
const SETTLED_MS = 120
const SETTLED_MAX_MS = 800
/** A message may be this far from its place: sizes are rounded. */
const NEAR_PX = 2
/** Rows that are measured meanwhile may move the list away from where it was scrolled to. */
const ATTEMPTS = 8

/** A place in the list. virtua gives up a scroll if the rows there are not measured soon enough. */
interface Goal {
  scroll: () => void
  isReached: () => boolean
}

interface Options {
  list: RefObject<VirtualizerHandle | null>
  scroller: RefObject<HTMLElement | null>
  items: readonly Item[]
  messages: readonly Message[]
  /** True if the list reaches the newest message. */
  isLive: boolean
  /** True if the messages at `target` are loaded. */
  loaded: boolean
  /** Where the list opens; null for its end. */
  target: Place | null
  /** Changes if the list is to open at `target` again. */
  viewKey: number
  /** Returns the index of the first message that was not on the screen; -1 if there is none. */
  firstUnseen: () => number
  /** Called whenever other items may be on the screen. */
  onViewport: (viewport: Viewport) => void
}

/**
 * Keeps the list at its end while the reader is there, but the first unseen message on the screen; and
 * at its place while messages are added or removed at either end. Returns the event handlers of the
 * Virtualizer, and functions that scroll.
 */
export function useScrollAnchor(options: Options) {
  const { list, scroller, items, messages, loaded, target, viewKey } = options
  /** True while the list follows its end. */
  const following = useRef(false)
  /** The view that was scrolled to its place. */
  const positioned = useRef<number | null>(null)
  const settling = useRef<ReturnType<typeof setTimeout> | null>(null)
  const settlingSince = useRef(0)
  /** Where the list is to be; null once it is there. */
  const goal = useRef<Goal | null>(null)
  const attempts = useRef(0)
  const offsetBefore = useRef(-1)
  const lastOffset = useRef(0)
  /** The animation frame that will report the viewport; 0 if none. */
  const frame = useRef(0)

  const current = useRef(options)
  useLayoutEffect(() => {
    current.current = options
  })

  const isFollowing = useCallback(
    () => current.current.isLive && scroller.current !== null && isAtEnd(scroller.current),
    [scroller],
  )

  const reportNow = useCallback(() => {
    frame.current = 0
    const element = scroller.current
    if (element === null || positioned.current === null || settling.current !== null) return
    current.current.onViewport(viewportOf(measureBoxes(element), element.clientHeight, isFollowing()))
  }, [scroller, isFollowing])

  /** Reports the viewport after the next layout. */
  const report = useCallback(() => {
    cancelAnimationFrame(frame.current)
    frame.current = requestAnimationFrame(reportNow)
  }, [reportNow])

  /** To be called when the list was scrolled, and while it moves afterwards. */
  const settle = useCallback(function settle() {
    const now = performance.now()
    if (settling.current === null) settlingSince.current = now
    else clearTimeout(settling.current)
    const left = settlingSince.current + SETTLED_MAX_MS - now
    settling.current = setTimeout(
      () => {
        settling.current = null
        const offset = scroller.current?.scrollTop ?? 0
        const isThere = goal.current === null || (offset === offsetBefore.current && goal.current.isReached())
        if (!isThere && attempts.current++ < ATTEMPTS) {
          offsetBefore.current = offset
          goal.current?.scroll()
          return settle()
        }
        goal.current = null
        following.current = isFollowing()
        report()
      },
      Math.max(0, Math.min(SETTLED_MS, left)),
    )
  }, [scroller, isFollowing, report])

  useEffect(
    () => () => {
      cancelAnimationFrame(frame.current)
      if (settling.current !== null) clearTimeout(settling.current)
    },
    [],
  )

  const scroll = useCallback(
    (to: Goal) => {
      goal.current = to
      attempts.current = 0
      offsetBefore.current = -1
      to.scroll()
      settle()
    },
    [settle],
  )

  const scrollToEnd = useCallback(() => {
    following.current = true
    scroll({
      scroll: () => list.current?.scrollToIndex(current.current.items.length - 1, { align: 'end' }),
      isReached: () => scroller.current === null || isAtEnd(scroller.current),
    })
  }, [list, scroller, scroll])

  /** Scrolls to the message at an index, `offset` px below the top; nowhere if the index is -1. */
  const scrollToMessage = useCallback(
    (find: () => { index: number; offset: number }) => {
      scroll({
        scroll: () => {
          const { index, offset } = find()
          if (index >= 0) list.current?.scrollToIndex(index, { align: 'start', offset: -offset })
        },
        isReached: () => {
          const { index, offset } = find()
          const message = current.current.messages[index]
          const element = scroller.current
          if (message === undefined || element === null || isAtEnd(element) || element.scrollTop <= 0) return true
          const box = measureBoxes(element).find(({ seq }) => seq === message.seq)
          return box !== undefined && Math.abs(box.top - offset) <= NEAR_PX
        },
      })
    },
    [list, scroller, scroll],
  )

  /** Follows the end as far as the first unseen message stays on the screen. */
  const follow = useCallback(() => {
    if (current.current.firstUnseen() < 0) return scrollToEnd()
    scrollToMessage(() => ({ index: current.current.firstUnseen(), offset: UNREAD_OFFSET_PX }))
  }, [scrollToMessage, scrollToEnd])

  const scrollTo = useCallback(
    ({ seq, offset }: Place) => {
      following.current = false
      scrollToMessage(() => {
        const { messages } = current.current
        return { index: Math.min(indexOfSeq(messages, seq), messages.length - 1), offset }
      })
    },
    [scrollToMessage],
  )

  // The messages were loaded: open at the place.
  useLayoutEffect(() => {
    if (!loaded) positioned.current = null
    else if (positioned.current !== viewKey && items.length > 0) {
      positioned.current = viewKey
      if (target === null) scrollToEnd()
      else scrollTo(target)
    }
  }, [loaded, items, viewKey, target, scrollTo, scrollToEnd])

  // An item was added at the end.
  const lastKey = items.length > 0 ? keyOf(items.at(-1)!) : null
  useLayoutEffect(() => {
    if (positioned.current !== null && following.current) follow()
  }, [lastKey, follow])

  useEffect(report, [items, report])

  // The reader takes over. What is on the screen now may have left it before the list would have settled.
  useEffect(() => {
    const element = scroller.current!
    const onInput = () => {
      goal.current = null
      if (settling.current !== null) {
        clearTimeout(settling.current)
        settling.current = null
        following.current = isFollowing()
      } else if (frame.current === 0) return
      reportNow()
    }
    const events = ['wheel', 'touchstart', 'pointerdown', 'keydown']
    for (const name of events) element.addEventListener(name, onInput, { passive: true })
    return () => {
      for (const name of events) element.removeEventListener(name, onInput)
    }
  }, [scroller, isFollowing, reportNow])

  // The composer grows, or a keyboard appears.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (positioned.current !== null && following.current) follow()
      report()
    })
    observer.observe(scroller.current!)
    return () => observer.disconnect()
  }, [scroller, follow, report])

  useEffect(() => {
    const onFocus = () => {
      if (settling.current === null) following.current = isFollowing()
      report()
    }
    addEventListener('focus', onFocus)
    document.addEventListener('visibilitychange', onFocus)
    return () => {
      removeEventListener('focus', onFocus)
      document.removeEventListener('visibilitychange', onFocus)
    }
  }, [isFollowing, report])

  const onScroll = () => {
    const offset = scroller.current?.scrollTop ?? 0
    if (settling.current !== null) settle()
    // While it follows its end it may be far from it; only a move up stops following.
    else if (isFollowing()) following.current = true
    else if (offset < lastOffset.current - 1) following.current = false
    lastOffset.current = offset
    report()
  }

  /** Rows were measured. */
  const onResize = () => {
    if (settling.current !== null) settle()
    report()
  }

  // virtua keeps the distance from the end if items are added or removed at the start.
  const firstSeq = messages[0]?.seq
  const lastFirst = useRef({ viewKey, firstSeq })
  const shift =
    firstSeq !== undefined &&
    lastFirst.current.firstSeq !== undefined &&
    lastFirst.current.viewKey === viewKey &&
    firstSeq !== lastFirst.current.firstSeq
  useLayoutEffect(() => {
    lastFirst.current = { viewKey, firstSeq }
  }, [viewKey, firstSeq])

  return { shift, onScroll, onResize, report, scrollTo, scrollToEnd, isFollowing: () => following.current }
}
