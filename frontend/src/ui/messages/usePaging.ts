import { useCallback } from 'react'
import { messenger } from '../../platform'
import type { Viewport } from './viewport'

/** Earlier messages are loaded if there are fewer items than this above the screen. */
const PRELOAD_ITEMS = 20

/** Returns a function that loads earlier messages if the viewport is near the first one. */
export function usePaging(chatId: number) {
  return useCallback(
    ({ first }: Viewport) => {
      if (first < PRELOAD_ITEMS) void messenger.timeline.loadOlder(chatId)
    },
    [chatId],
  )
}
