// What this browser remembers of how its user likes the page. Not the server's business.

import { createStore } from 'zustand/vanilla'

export type Theme = 'system' | 'light' | 'dark'

export interface Prefs {
  theme: Theme
  sound: boolean
  /** Wanted; the browser's permission is another matter. */
  notifications: boolean
  /** The question has been answered or put away. */
  asked: boolean
}

const KEY = 'parley.prefs'
const defaults: Prefs = { theme: 'system', sound: false, notifications: false, asked: false }

function load(): Prefs {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Prefs>) }
  } catch {
    return defaults
  }
}

function show({ theme }: Prefs): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export const prefs = createStore<Prefs>(load)

show(prefs.getState())
prefs.subscribe(show)

export function setPrefs(change: Partial<Prefs>): void {
  prefs.setState(change)
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs.getState()))
  } catch {
    // Not kept, then.
  }
}

addEventListener('storage', (event) => {
  if (event.key === KEY) prefs.setState(load())
})
