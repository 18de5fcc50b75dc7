import { en, type Catalogue } from './en'

/** The languages there are. */
const catalogues: Record<string, Catalogue> = { en }

function choose(): Catalogue {
  for (const language of typeof navigator === 'undefined' ? [] : navigator.languages) {
    const found = catalogues[language] ?? catalogues[language.split('-')[0]!]
    if (found !== undefined) return found
  }
  return en
}

/** The words, in the reader's language where there is one of theirs. */
export const t: Catalogue = choose()
