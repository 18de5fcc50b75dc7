import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { useStore } from 'zustand'
import { sortChats } from '../core/chat'
import type { AppState } from '../core/state'
import type { Chat, Message, User } from '../core/types'
import { drafts, edits, replies, type DraftKey, type Edit } from '../drafts'
import { catalogue } from '../i18n'
import { messenger } from '../platform'
import { prefs, type Prefs } from '../prefs'
import { onNewDay, startOfToday } from './days'
import { errorText, fieldErrors } from './format'

export function useAppState<T>(select: (state: AppState) => T): T {
  return useStore(messenger.store, select)
}

/** The user. Only for components that are shown while signed in. */
export function useMe(): User {
  return useAppState((state) => state.me)!
}

export function usePrefs(): Prefs {
  return useStore(prefs)
}

/** True if Enter sends a message, false if it makes a new line. */
export function useEnterSends(): boolean {
  return usePrefs().enterSends && matchMedia('(pointer: fine)').matches
}

/** Returns the draft of a chat; empty if none. */
export function useDraft(key: DraftKey | null): string {
  return useStore(drafts, (texts) => (key === null ? '' : (texts[key] ?? '')))
}

/** Returns the message that what is written replies to; null if none. */
export function useReply(key: DraftKey): Message | null {
  return useStore(replies, (all) => all[key] ?? null)
}

/** Returns the unsaved edit of a chat; null if none. */
export function useEdit(key: DraftKey): Edit | null {
  return useStore(edits, (all) => all[key] ?? null)
}

/** Returns all chats, the one with the latest activity first. */
export function useSortedChats(): Chat[] {
  const chats = useAppState((state) => state.chats)
  const outbox = useAppState((state) => state.outbox)
  return useMemo(() => {
    const queued = new Map<number, number>()
    // A refused message may stay for long.
    for (const { kind, refused, chat_id, created_at } of outbox)
      if (kind === 'send' && refused === undefined) queued.set(chat_id, Date.parse(created_at))
    return sortChats(chats.values(), queued)
  }, [chats, outbox])
}

/** Returns the latest value that did not change for `ms`. */
export function useDebounced<T>(value: T, ms: number): T {
  const [debounced, setDebounced] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setDebounced(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return debounced
}

/**
 * Runs an asynchronous action of a form or button, one at a time. Returns whether it runs, the error
 * message of the last run, and the messages by field. `run` returns true if the action succeeded.
 */
export function useAction() {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  const [fields, setFields] = useState<Record<string, string>>({})
  const running = useRef(false)
  const run = async (action: () => Promise<void>): Promise<boolean> => {
    if (running.current) return false
    running.current = true
    setBusy(true)
    setError(null)
    setFields({})
    try {
      await action()
      return true
    } catch (failure) {
      setError(errorText(failure))
      setFields(fieldErrors(failure))
      return false
    } finally {
      running.current = false
      setBusy(false)
    }
  }
  return { busy, error, fields, run }
}

/** Searches users. `users` is null while the search runs; `failed` is the error message, or null. */
export function usePeopleSearch(query: string): { users: readonly User[] | null; failed: string | null } {
  const debounced = useDebounced(query.trim(), 220)
  const [found, setFound] = useState<{ q: string; users: readonly User[]; failed: string | null }>({
    q: '',
    users: [],
    failed: null,
  })
  useEffect(() => {
    if (debounced === '') return
    let stale = false
    messenger.people
      .search(debounced)
      .then((users) => !stale && setFound({ q: debounced, users, failed: null }))
      .catch((error) => !stale && setFound({ q: debounced, users: [], failed: errorText(error) }))
    return () => {
      stale = true
    }
  }, [debounced])
  const current = found.q === query.trim()
  return { users: current ? found.users : null, failed: current ? found.failed : null }
}

/** Renders the component again every `ms`, for texts that depend on the time. */
export function useRerenderEvery(ms: number): void {
  const [, setCount] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => setCount((n) => n + 1), ms)
    return () => clearInterval(timer)
  }, [ms])
}

/**
 * Renders the component again when the language, the day or the setting of formatting changes. Needed in the root and in
 * memoized components; the others are rendered with their parents.
 */
export function useTexts(): void {
  useStore(catalogue)
  useStore(prefs, ({ formatting }) => formatting)
  useSyncExternalStore(onNewDay, startOfToday)
}

/** True unless the browser reports that it is offline. */
export function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine)
  useEffect(() => {
    const update = () => setOnline(navigator.onLine)
    addEventListener('online', update)
    addEventListener('offline', update)
    return () => {
      removeEventListener('online', update)
      removeEventListener('offline', update)
    }
  }, [])
  return online
}
