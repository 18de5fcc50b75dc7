// Drafts: the unsent text of each chat. Kept in this browser, by user.

import { createStore } from 'zustand/vanilla'

const storageKey = (userId: number) => `parley.drafts.${userId}`

interface Drafts {
  userId: number
  texts: Readonly<Record<string, string>>
}

export const drafts = createStore<Drafts>(() => ({ userId: 0, texts: {} }))

function load(userId: number): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(storageKey(userId)) ?? '{}') as Record<string, string>
  } catch {
    return {}
  }
}

export function openDrafts(userId: number): void {
  drafts.setState({ userId, texts: load(userId) })
}

export function setDraft(chatId: number, text: string): void {
  const { userId, texts } = drafts.getState()
  if ((texts[chatId] ?? '') === text) return
  const { [chatId]: _, ...rest } = texts
  const next = text === '' ? rest : { ...rest, [chatId]: text }
  drafts.setState({ texts: next })
  try {
    localStorage.setItem(storageKey(userId), JSON.stringify(next))
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
  const { userId } = drafts.getState()
  if (event.key === storageKey(userId)) drafts.setState({ texts: load(userId) })
})
