// Locales: the language of the words, and the region whose formats are used.

/** The languages of the browser, the preferred one first. */
export const browserLocales: readonly string[] = typeof navigator === 'undefined' ? ['en'] : navigator.languages

const preferred = browserLocales[0] ?? 'en'

export const languageOf = (locale: string) => locale.split('-')[0]!

/** The locale of numbers in a text, and of dates if the user has chosen the language: its region is the browser's. */
export function wordsLocale(language: string): string {
  if (languageOf(preferred) === language) return preferred
  const { region } = new Intl.Locale(preferred).maximize()
  return region === undefined ? language : `${language}-${region}`
}

/** The locale of dates and times. `chosen` is null if the language is the browser's. */
export const datesLocale = (chosen: string | null) => (chosen === null ? preferred : wordsLocale(chosen))
