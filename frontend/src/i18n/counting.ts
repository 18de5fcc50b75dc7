// Numbers and plurals of a language.

import { wordsLocale } from './locale'

/** A text for each plural form of the language that differs from `other`; `#` is the number. */
export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string }

export function counting(language: string) {
  const rules = new Intl.PluralRules(language)
  const format = new Intl.NumberFormat(wordsLocale(language))
  const number = (n: number) => format.format(n)
  return {
    /** The number, or `max` and a plus sign if it is larger. */
    numberUpTo: (n: number, max: number) => (n > max ? `${number(max)}+` : number(n)),
    plural: (n: number, forms: Forms) => (forms[rules.select(n)] ?? forms.other).replace('#', number(n)),
  }
}
