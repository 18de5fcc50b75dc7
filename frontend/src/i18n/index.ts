import { en, type Catalogue } from './en'

/** By language tag. */
const catalogues: Record<string, Catalogue> = { en }

function choose(): Catalogue {
  for (const language of typeof navigator === 'undefined' ? [] : navigator.languages) {
    const found = catalogues[language] ?? catalogues[language.split('-')[0]!]
    if (found !== undefined) return found
  }
  return en
}

/** The texts in the first language of the browser that has a catalogue, else in English. */
export const t: Catalogue = choose()
