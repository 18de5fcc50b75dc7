// Which items of the message list are on the screen.

import type { VirtualizerHandle } from 'virtua'

export interface Viewport {
  /** The index of the first item on the screen. */
  first: number
  /** The index of the last item on the screen. */
  last: number
  atEnd: boolean
}

/** The list counts as being at its end within this distance from it, in px. */
const END_PX = 80
/** An item counts as being on the screen if this much of it is, in px. */
const VISIBLE_PX = 24

type ScrollPosition = Pick<VirtualizerHandle, 'scrollSize' | 'scrollOffset' | 'viewportSize'>

export function isAtEnd({ scrollSize, scrollOffset, viewportSize }: ScrollPosition): boolean {
  return scrollSize - scrollOffset - viewportSize < END_PX
}

/** `count` is the number of items. */
export function viewportOf(
  list: ScrollPosition & Pick<VirtualizerHandle, 'findItemIndex'>,
  count: number,
): Viewport {
  const atEnd = isAtEnd(list)
  const bottom = list.scrollOffset + list.viewportSize - VISIBLE_PX
  return {
    first: list.findItemIndex(list.scrollOffset),
    last: atEnd ? count - 1 : list.findItemIndex(bottom),
    atEnd,
  }
}
