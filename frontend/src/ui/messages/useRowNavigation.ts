import type { FocusEvent, KeyboardEvent, RefObject } from 'react'
import type { VirtualizerHandle } from 'virtua'
import { focusTarget, keyOf, type Item } from './items'

interface Options {
  list: RefObject<VirtualizerHandle | null>
  scroller: RefObject<HTMLElement | null>
  items: readonly Item[]
  onMenu: (item: Item, rect: DOMRect, row: HTMLElement) => void
  onReply: (item: Item) => void
}

/** How many frames a row may take to be rendered after the list scrolled to it. */
const RENDER_FRAMES = 10

/**
 * Returns the event handlers that make the list one tab stop: the arrow keys, Home and End move the
 * focus between rows, Enter and Space open the menu of a row, R replies to it. Controls in a row are tab stops only
 * while the focus is in the row.
 */
export function useRowNavigation({ list, scroller, items, onMenu, onReply }: Options) {
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const row = rowOf(event.target)
    const current = items.findIndex((item) => keyOf(item) === row?.dataset.key)
    const target = focusTarget(event.key, current, items.length)
    if (target !== undefined) {
      event.preventDefault()
      focusRow(target)
    } else if ((event.key === 'Enter' || event.key === ' ') && row !== null && event.target === row) {
      event.preventDefault()
      onMenu(items[current]!, (row.querySelector('.bubble') ?? row).getBoundingClientRect(), row)
    } else if (event.code === 'KeyR' && !event.shiftKey && row !== null && event.target === row) {
      event.preventDefault()
      onReply(items[current]!)
    }
  }

  const focusRow = (index: number) => {
    list.current?.scrollToIndex(index, { align: 'nearest' })
    const selector = `[data-key="${CSS.escape(keyOf(items[index]!))}"]`
    const focusRendered = (frames: number) => {
      const row = scroller.current?.querySelector<HTMLElement>(selector)
      if (row) row.focus({ preventScroll: true })
      else if (frames > 0) requestAnimationFrame(() => focusRendered(frames - 1))
    }
    focusRendered(RENDER_FRAMES)
  }

  return {
    onKeyDown,
    onFocus: (event: FocusEvent) => setInnerTabIndex(event.target, 0),
    onBlur: (event: FocusEvent) => setInnerTabIndex(event.target, -1),
  }
}

const rowOf = (target: EventTarget) => (target as Element).closest<HTMLElement>('.message')

function setInnerTabIndex(target: EventTarget, tabIndex: 0 | -1): void {
  for (const inner of rowOf(target)?.querySelectorAll<HTMLElement>('[data-inner]') ?? [])
    inner.tabIndex = tabIndex
}
