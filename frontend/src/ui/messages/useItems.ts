import { useMemo } from 'react'
import { isLoadingPage, segmentAt } from '../../core/history'
import { withPending } from '../../core/pending'
import type { Message } from '../../core/types'
import { useAppState, useMe } from '../hooks'
import type { Item } from './items'

const NONE: readonly Message[] = []

/**
 * Returns the segment of a chat around `seq` (null: the live one), its messages, and the items to show,
 * with what is in the outbox.
 */
export function useItems(chatId: number, seq: number | null) {
  const segment = useAppState((state) => segmentAt(state.histories.get(chatId), seq))
  const loading = useAppState((state) => isLoadingPage(state.histories.get(chatId)))
  const outbox = useAppState((state) => state.outbox)
  const messages = segment?.messages ?? NONE
  const isLive = segment?.to === Infinity

  const epoch = useAppState((state) => state.epoch)
  const me = useMe().user_id
  const items = useMemo<readonly Item[]>(
    () => withPending({ messages, isLive, outbox, chatId, epoch, me }),
    [messages, isLive, outbox, chatId, epoch, me],
  )

  return { segment, messages, items, isLive, loading }
}
