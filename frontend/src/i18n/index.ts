// The texts of the page, in the language of the user.

import { createStore } from 'zustand/vanilla'
import { dateFormats } from './dates'
import { en, type Catalogue } from './en'
import { isolating } from './isolate'
import { browserLocales, datesLocale, languageOf } from './locale'

/** The languages, by their own names. */
export const LANGUAGES = { en: 'English', de: 'Deutsch', ar: 'العربية' }
export type Language = keyof typeof LANGUAGES

/** The other catalogues are not part of the first screen. */
const load: Record<Language, () => Promise<Catalogue>> = {
  en: async () => en,
  de: async () => (await import('./de')).de,
  ar: async () => (await import('./ar')).ar,
}

const isLanguage = (name: string): name is Language => Object.hasOwn(LANGUAGES, name)
const browserLanguage = (): Language => browserLocales.map(languageOf).find(isLanguage) ?? 'en'

/** The texts. Changes with the language: a use outside of a function keeps the first language. */
export let t: Catalogue = isolating(en, 'ltr')
/** The formats of dates and times. Changes with the language as well. */
export let dates = dateFormats(datesLocale(null))
/** The catalogue as a store, for what must be updated when the language changes. */
export const catalogue = createStore<Catalogue>(() => t)

let requests = 0

/**
 * Changes the language; null is the first language of the browser that has a catalogue. Rejects if the
 * catalogue cannot be loaded.
 */
export async function setLanguage(chosen: Language | null): Promise<void> {
  const request = ++requests
  const texts = await load[chosen ?? browserLanguage()]()
  if (request !== requests) return
  t = isolating(texts, texts.dir)
  dates = dateFormats(datesLocale(chosen))
  document.documentElement.lang = t.locale
  document.documentElement.dir = t.dir
  catalogue.setState(t, true)
}
