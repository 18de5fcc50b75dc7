// Preferences. Kept in this browser, not on the server.

import { createStore } from 'zustand/vanilla'
import type { Language } from './i18n'

export type Theme = 'system' | 'light' | 'dark'

export type SkinTone = 'none' | 'light' | 'medium-light' | 'medium' | 'medium-dark' | 'dark'

export interface Prefs {
  /** Null: the language of the browser. */
  language: Language | null
  theme: Theme
  sound: boolean
  /** True to show bold, lists, code and so on; false to show texts as they were written. */
  formatting: boolean
  /** True if Enter sends a message. On a touch screen it makes a new line in any case. */
  enterSends: boolean
  /** True if wanted. The browser's permission is needed as well. */
  notifications: boolean
  /** True if the offer of notifications was answered or dismissed. */
  asked: boolean
  /** The emoji that were chosen last, the latest first. */
  recentEmoji: readonly string[]
  skinTone: SkinTone
}

const KEY = 'parley.prefs'
const defaults: Prefs = {
  language: null,
  theme: 'system',
  sound: false,
  formatting: true,
  enterSends: true,
  notifications: false,
  asked: false,
  recentEmoji: [],
  skinTone: 'none',
}

function load(): Prefs {
  try {
    return { ...defaults, ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Prefs>) }
  } catch {
    return defaults
  }
}

function applyTheme({ theme }: Prefs): void {
  const media = { system: '(prefers-color-scheme: dark)', light: 'not all', dark: 'all' }[theme]
  for (const element of document.querySelectorAll<HTMLLinkElement | HTMLMetaElement>('[data-dark]'))
    element.media = media
}

export const prefs = createStore<Prefs>(load)

applyTheme(prefs.getState())
prefs.subscribe(applyTheme)

export function setPrefs(change: Partial<Prefs>): void {
  prefs.setState(change)
  try {
    localStorage.setItem(KEY, JSON.stringify(prefs.getState()))
  } catch {
    // Storage is full or disabled: the preferences are kept until the page is closed.
  }
}

// Another tab changed the preferences.
addEventListener('storage', (event) => {
  if (event.key === KEY) prefs.setState(load())
})

const RECENT = 16

export function rememberEmoji(emoji: string): void {
  const others = prefs.getState().recentEmoji.filter((other) => other !== emoji)
  setPrefs({ recentEmoji: [emoji, ...others].slice(0, RECENT) })
}
