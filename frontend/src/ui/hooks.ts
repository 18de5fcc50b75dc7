import { useEffect, useRef, useState } from 'react'
import { useStore } from 'zustand'
import type { AppState } from '../core/state'
import type { User } from '../core/types'
import { drafts } from '../drafts'
import { messenger } from '../platform'
import { prefs, type Prefs } from '../prefs'
import { errorText, fieldErrors } from './format'

export function useApp<T>(select: (state: AppState) => T): T {
  return useStore(messenger.store, select)
}

/** Who reads this page. Only for what is shown to somebody signed in. */
export function useMe(): User {
  return useApp((state) => state.me)!
}

export function usePrefs(): Prefs {
  return useStore(prefs)
}

export function useDraft(chatId: number): string {
  return useStore(drafts, (state) => state.texts[chatId] ?? '')
}

/** The value as it was `ms` ago, once it stopped changing. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}

/** A form's or a button's one act at the server: is it running, what went wrong. */
export function useAct() {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<string | null>(null)
  const [fields, setFields] = useState<Record<string, string>>({})
  const running = useRef(false)
  const run = async (act: () => Promise<void>): Promise<boolean> => {
    if (running.current) return false
    running.current = true
    setBusy(true)
    setError(null)
    setFields({})
    try {
      await act()
      return true
    } catch (problem) {
      setError(errorText(problem))
      setFields(fieldErrors(problem))
      return false
    } finally {
      running.current = false
      setBusy(false)
    }
  }
  return { busy, error, fields, run }
}

/** People the server finds; null while it looks. */
export function usePeopleSearch(query: string): { users: readonly User[] | null; failed: string | null } {
  const settled = useSettled(query.trim(), 220)
  const [found, setFound] = useState<{ q: string; users: readonly User[]; failed: string | null }>({
    q: '',
    users: [],
    failed: null,
  })
  useEffect(() => {
    if (settled === '') return
    let stale = false
    messenger
      .search(settled)
      .then((users) => !stale && setFound({ q: settled, users, failed: null }))
      .catch((error) => !stale && setFound({ q: settled, users: [], failed: errorText(error) }))
    return () => {
      stale = true
    }
  }, [settled])
  const current = found.q === query.trim()
  return { users: current ? found.users : null, failed: current ? found.failed : null }
}

/** A moment that passes: renders again every `ms`. */
export function useTick(ms: number): void {
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), ms)
    return () => clearInterval(timer)
  }, [ms])
}

export function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine)
  useEffect(() => {
    const look = () => setOnline(navigator.onLine)
    addEventListener('online', look)
    addEventListener('offline', look)
    return () => {
      removeEventListener('online', look)
      removeEventListener('offline', look)
    }
  }, [])
  return online
}
