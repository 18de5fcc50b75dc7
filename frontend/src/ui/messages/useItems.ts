import { useMemo } from 'react'
import { isLoadingPage } from '../../core/history'
import type { Message } from '../../core/types'
import { useAppState } from '../hooks'
import type { Item } from './items'

const NONE: readonly Message[] = []

/** Returns the messages of a chat, the items to show (with those in the outbox), and what is loaded. */
export function useItems(chatId: number) {
  const messages = useAppState((state) => state.histories.get(chatId)?.messages ?? NONE)
  const loaded = useAppState((state) => state.histories.get(chatId)?.loaded ?? false)
  const more = useAppState((state) => state.histories.get(chatId)?.more ?? false)
  const loading = useAppState((state) => isLoadingPage(state.histories.get(chatId)))
  const outbox = useAppState((state) => state.outbox)

  const items = useMemo<readonly Item[]>(() => {
    const queued = outbox.filter((entry) => entry.chat_id === chatId)
    return queued.length === 0 ? messages : [...messages, ...queued]
  }, [messages, outbox, chatId])

  return { messages, items, loaded, more, loading }
}
