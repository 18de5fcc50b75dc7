import { useCallback, useEffect, useRef } from 'react'
import { isStored, type Item } from './items'
import type { Message } from '../../core/types'

interface Options {
  /** False in a chat that takes no messages. */
  canReply: boolean
  reply: (message: Message) => void
}

/** True if the user can reply to the item, or forward it. */
export const isQuotable = (item: Item): item is Message =>
  isStored(item) && item.kind === 'text' && item.pending === undefined && !item.deleted && item.content != null

/** Returns a function that begins a reply to an item, if that is possible. It never changes. */
export function useReplying({ canReply, reply }: Options) {
  const latest = useRef({ canReply, reply })
  useEffect(() => {
    latest.current = { canReply, reply }
  })
  return {
    reply: useCallback((item: Item) => {
      if (latest.current.canReply && isQuotable(item)) latest.current.reply(item)
    }, []),
  }
}
