import { useCallback, useEffect, useLayoutEffect, useRef, type RefObject } from 'react'
import type { VirtualizerHandle } from 'virtua'
import { keyOf, type Item } from './items'
import { isAtEnd, viewportOf, type Viewport } from './viewport'

/** Space above the first unread message when the chat opens, in px. */
const UNREAD_MARGIN_PX = 90

interface Options {
  list: RefObject<VirtualizerHandle | null>
  scroller: RefObject<HTMLElement | null>
  items: readonly Item[]
  loaded: boolean
  /** The seq of the first message; undefined if there is none. */
  firstSeq: number | undefined
  /** The index of the first unread message, where the list opens; -1 to open at the end. */
  unreadIndex: number
  /** Called whenever other items may be on the screen. Must be stable. */
  onViewport: (viewport: Viewport, items: readonly Item[]) => void
}

/**
 * Keeps the list at its end while the reader is there, and at its place while earlier messages are
 * added in front. Returns the `shift` and `onScroll` of the Virtualizer, and `jumpToEnd`.
 */
export function useScrollAnchor(options: Options) {
  const { list, scroller, items, loaded, firstSeq, unreadIndex, onViewport } = options
  /** True while the list follows its end. */
  const following = useRef(true)
  /** True after the list was scrolled to its initial position. */
  const positioned = useRef(false)
  const lastOffset = useRef(0)

  const currentItems = useRef(items)
  useLayoutEffect(() => {
    currentItems.current = items
  })

  const scrollToEnd = useCallback(() => {
    const count = currentItems.current.length
    if (count > 0) list.current?.scrollToIndex(count - 1, { align: 'end' })
  }, [list])

  const reportViewport = useCallback(() => {
    if (list.current === null || !positioned.current) return
    onViewport(viewportOf(list.current, currentItems.current.length), currentItems.current)
  }, [list, onViewport])

  // Earlier messages were added in front: virtua keeps the distance from the end.
  const lastFirstSeq = useRef(firstSeq)
  const shift =
    firstSeq !== undefined && lastFirstSeq.current !== undefined && firstSeq < lastFirstSeq.current
  useLayoutEffect(() => {
    lastFirstSeq.current = firstSeq
  }, [firstSeq])

  // The first page: open at the first unread message, or at the end.
  useLayoutEffect(() => {
    if (positioned.current || !loaded || items.length === 0) return
    positioned.current = true
    if (unreadIndex > 0) {
      following.current = false
      list.current?.scrollToIndex(unreadIndex, { align: 'start', offset: -UNREAD_MARGIN_PX })
    } else scrollToEnd()
  }, [loaded, items, unreadIndex, list, scrollToEnd])

  // An item was added at the end.
  const lastKey = items.length > 0 ? keyOf(items.at(-1)!) : null
  useLayoutEffect(() => {
    if (positioned.current && following.current) scrollToEnd()
  }, [lastKey, scrollToEnd])

  useEffect(() => {
    const frame = requestAnimationFrame(reportViewport)
    return () => cancelAnimationFrame(frame)
  }, [items, reportViewport])

  // The composer grows, a keyboard appears, or a row is measured.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (following.current) scrollToEnd()
      reportViewport()
    })
    observer.observe(scroller.current!)
    return () => observer.disconnect()
  }, [scroller, scrollToEnd, reportViewport])

  useEffect(() => {
    addEventListener('focus', reportViewport)
    document.addEventListener('visibilitychange', reportViewport)
    return () => {
      removeEventListener('focus', reportViewport)
      document.removeEventListener('visibilitychange', reportViewport)
    }
  }, [reportViewport])

  const onScroll = () => {
    if (list.current === null) return
    const { scrollOffset } = list.current
    // While it scrolls to its end it may be far from it; only a move up stops following.
    if (isAtEnd(list.current)) following.current = true
    else if (scrollOffset < lastOffset.current - 1) following.current = false
    lastOffset.current = scrollOffset
    reportViewport()
  }

  const jumpToEnd = useCallback(() => {
    following.current = true
    scrollToEnd()
  }, [scrollToEnd])

  return { shift, onScroll, jumpToEnd }
}
