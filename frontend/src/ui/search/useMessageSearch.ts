import { useCallback, useEffect, useRef, useState } from 'react'
import { ApiError } from '../../core/api'
import { isSearchable, type MessageQuery } from '../../core/message_search'
import type { FoundMessage } from '../../core/types'
import { messenger } from '../../platform'
import { errorText } from '../format'
import { useDebounced } from '../hooks'

const DEBOUNCE_MS = 200
/** Pages without a message that are requested without being asked for. */
const EMPTY_PAGES = 5
const RETRY_MS = 1_200

export interface MessageSearch {
  /** Null until the first page has arrived. */
  messages: readonly FoundMessage[] | null
  /** True while a page is requested. */
  busy: boolean
  /** True if older messages were not searched yet. */
  more: boolean
  /** Down to when everything was searched; null: to the beginning. */
  searchedTo: string | null
  /** True if older messages are not indexed yet. */
  incomplete: boolean
  failed: string | null
  /** Requests the next page. */
  next: () => void
}

type Found = Omit<MessageSearch, 'next' | 'more'> & { key: string; cursor: string | null }

const nothing = (key: string): Found => ({
  key,
  messages: null,
  busy: false,
  searchedTo: null,
  incomplete: false,
  failed: null,
  cursor: null,
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Searches messages, 200 ms after the last change of the query. A newer search aborts the one before. */
export function useMessageSearch(query: MessageQuery): MessageSearch {
  const key = isSearchable(query) ? JSON.stringify(query) : ''
  const debounced = useDebounced(key, DEBOUNCE_MS)
  const [found, setFound] = useState(nothing(''))
  const request = useRef<AbortController | null>(null)

  const load = useCallback(async (wanted: string, before: Found) => {
    const controller = new AbortController()
    request.current?.abort()
    request.current = controller
    let state: Found = { ...before, busy: true, failed: null }
    const show = (next: Found) => {
      state = next
      if (!controller.signal.aborted) setFound(next)
    }
    show(state)
    try {
      for (let pages = 0; pages < EMPTY_PAGES; pages++) {
        const page = await withRetry(wanted, state.cursor, controller.signal)
        show({
          ...state,
          messages: [...(state.messages ?? []), ...page.messages],
          cursor: page.cursor,
          searchedTo: page.searched_to,
          incomplete: page.incomplete,
        })
        if (page.messages.length > 0 || page.cursor === null) break
      }
      show({ ...state, busy: false })
    } catch (error) {
      show({ ...state, messages: state.messages ?? [], busy: false, failed: errorText(error) })
    }
  }, [])

  useEffect(() => {
    if (debounced === '') setFound(nothing(''))
    else void load(debounced, nothing(debounced))
    return () => request.current?.abort()
  }, [debounced, load])

  const current = found.key === key ? found : nothing(key)
  return {
    ...current,
    busy: current.busy || (key !== '' && found.key !== key),
    more: current.cursor !== null,
    next: () => {
      if (!current.busy && current.cursor !== null) void load(current.key, current)
    },
  }
}

/** Another tab of the user may search at the same time: the server then refuses one of the two searches. */
async function withRetry(key: string, cursor: string | null, signal: AbortSignal) {
  const query = JSON.parse(key) as MessageQuery
  try {
    return await messenger.search(query, cursor, signal)
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 429) || signal.aborted) throw error
    await pause(error.retryAfterMs ?? RETRY_MS)
    return await messenger.search(query, cursor, signal)
  }
}
