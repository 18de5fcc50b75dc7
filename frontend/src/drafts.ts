// What was begun in each chat and not sent. Kept in this browser, by user.

import { createStore } from 'zustand/vanilla'

const keyOf = (userId: number) => `parley.drafts.${userId}`

interface Drafts {
  userId: number
  texts: Readonly<Record<string, string>>
}

export const drafts = createStore<Drafts>(() => ({ userId: 0, texts: {} }))

function stored(userId: number): Record<string, string> {
  try {
    return JSON.parse(localStorage.getItem(keyOf(userId)) ?? '{}') as Record<string, string>
  } catch {
    return {}
  }
}

export function openDrafts(userId: number): void {
  drafts.setState({ userId, texts: stored(userId) })
}

export function setDraft(chatId: number, text: string): void {
  const { userId, texts } = drafts.getState()
  if ((texts[chatId] ?? '') === text) return
  const { [chatId]: _, ...rest } = texts
  const next = text === '' ? rest : { ...rest, [chatId]: text }
  drafts.setState({ texts: next })
  try {
    localStorage.setItem(keyOf(userId), JSON.stringify(next))
  } catch {
    // No room: it lives as long as the page.
  }
}

export function forgetDrafts(userId: number): void {
  drafts.setState({ userId: 0, texts: {} })
  localStorage.removeItem(keyOf(userId))
}

addEventListener('storage', (event) => {
  const { userId } = drafts.getState()
  if (event.key === keyOf(userId)) drafts.setState({ texts: stored(userId) })
})
