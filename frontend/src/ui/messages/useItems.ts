import { useMemo } from 'react'
import { isLoadingPage } from '../../core/history'
import { withPending } from '../../core/pending'
import type { Message } from '../../core/types'
import { useAppState } from '../hooks'
import type { Item } from './items'

const NONE: readonly Message[] = []

/** Returns the messages of a chat, the items to show (with what is in the outbox), and what is loaded. */
export function useItems(chatId: number) {
  const messages = useAppState((state) => state.histories.get(chatId)?.messages ?? NONE)
  const loaded = useAppState((state) => state.histories.get(chatId)?.loaded ?? false)
  const more = useAppState((state) => state.histories.get(chatId)?.more ?? false)
  const loading = useAppState((state) => isLoadingPage(state.histories.get(chatId)))
  const outbox = useAppState((state) => state.outbox)

  const epoch = useAppState((state) => state.epoch)

  const items = useMemo<readonly Item[]>(
    () => withPending(messages, outbox, chatId, epoch),
    [messages, outbox, chatId, epoch],
  )

  return { messages, items, loaded, more, loading }
}
