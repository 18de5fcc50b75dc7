import { useCallback } from 'react'
import { isPageFocused, messenger } from '../../platform'
import { lastStoredSeq, type Item } from './items'
import type { Viewport } from './viewport'

/** Returns a function that marks the items on the screen as read, if the page has the focus. */
export function useReadMarking(chatId: number) {
  return useCallback(
    ({ last }: Viewport, items: readonly Item[]) => {
      if (!isPageFocused()) return
      const seq = lastStoredSeq(items, last)
      if (seq !== null) messenger.operations.read(chatId, seq)
    },
    [chatId],
  )
}
