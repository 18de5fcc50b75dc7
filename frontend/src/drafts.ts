// Drafts: the unsent text of each chat. Kept in this browser, by user, and shown in all tabs. The draft that
// is being written in this tab is not replaced by that of another tab; the one written last is stored.

import { createStore } from 'zustand/vanilla'

const storageKey = (userId: number) => `parley.drafts.${userId}`

interface Drafts {
  userId: number
  texts: Readonly<Record<string, string>>
}

/** The chat that was written in last in this tab. */
let written: number | null = null

export const drafts = createStore<Drafts>(() => ({ userId: 0, texts: {} }))

function load(userId: number): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(storageKey(userId)) ?? '{}') as Record<string, string>
  } catch {
    return {}
  }
}

export function openDrafts(userId: number): void {
  written = null
  drafts.setState({ userId, texts: load(userId) })
}

const withDraft = (texts: Drafts['texts'], chatId: number, text: string): Drafts['texts'] => {
  const { [chatId]: _, ...rest } = texts
  return text === '' ? rest : { ...rest, [chatId]: text }
}

export function setDraft(chatId: number, text: string): void {
  const { userId, texts } = drafts.getState()
  if ((texts[chatId] ?? '') === text) return
  written = chatId
  drafts.setState({ texts: withDraft(texts, chatId, text) })
  try {
    // Another tab may have stored another draft than the one shown here.
    localStorage.setItem(storageKey(userId), JSON.stringify(withDraft(load(userId), chatId, text)))
  } catch {
    // Storage is full or disabled: the draft is kept until the page is closed.
  }
}

export function eraseDrafts(userId: number): void {
  drafts.setState({ userId: 0, texts: {} })
  localStorage.removeItem(storageKey(userId))
}

// Another tab changed the drafts.
addEventListener('storage', (event) => {
  const { userId, texts } = drafts.getState()
  if (event.key !== storageKey(userId)) return
  const stored = load(userId)
  const own = written === null ? '' : (texts[written] ?? '')
  drafts.setState({ texts: own === '' ? stored : withDraft(stored, written!, own) })
})
