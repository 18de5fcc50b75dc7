// The catalogues: each has all texts, with all plural forms and values.

import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ar } from '../src/i18n/ar'
import { de } from '../src/i18n/de'
import { en } from '../src/i18n/en'
import { LANGUAGES } from '../src/i18n'
import { isolating } from '../src/i18n/isolate'
import { wordsLocale } from '../src/i18n/locale'

type Text = string | ((...values: unknown[]) => string)

/** Path of a text → the text. */
function flat(texts: object, path = ''): Map<string, Text> {
  return new Map(
    Object.entries(texts as Record<string, Text | object>).flatMap(([key, text]) =>
      typeof text === 'object' ? [...flat(text, `${path}${key}.`)] : [[`${path}${key}`, text] as const],
    ),
  )
}

/** Path of a function of en.ts → the types of its parameters. */
function parametersOfEnglish(): Map<string, string[]> {
  const text = readFileSync(new URL('../src/i18n/en.ts', import.meta.url), 'utf8')
  const file = ts.createSourceFile('en.ts', text, ts.ScriptTarget.Latest)
  const found = new Map<string, string[]>([['numberUpTo', ['number', 'number']]])
  const visit = (node: ts.Node, path: string): void => {
    if (!ts.isPropertyAssignment(node)) return ts.forEachChild(node, (child) => visit(child, path))
    const name = `${path}${node.name.getText(file)}`
    const value = node.initializer
    if (ts.isArrowFunction(value)) found.set(name, value.parameters.map((p) => p.type!.getText(file)))
    else ts.forEachChild(value, (child) => visit(child, `${name}.`))
  }
  visit(file, '')
  return found
}

const english = flat(en)
const parameters = parametersOfEnglish()

const catalogues = await Promise.all(
  Object.keys(LANGUAGES).map(async (language) => {
    const module = (await import(`../src/i18n/${language}.ts`)) as Record<string, object>
    return [language, module[language]!] as const
  }),
)

describe.each(catalogues)('the catalogue %s', (language, catalogue) => {
  const texts = flat(catalogue)
  const formatted = (n: number) => new Intl.NumberFormat(wordsLocale(language)).format(n)

  it('has exactly the texts of the English one', () => {
    expect([...texts.keys()].sort()).toEqual([...english.keys()].sort())
    expect([...texts].filter(([, text]) => text === '')).toEqual([])
  })

  it('has functions where the English one has', () => {
    const functions = [...texts].filter(([, text]) => typeof text === 'function').map(([path]) => path)
    expect(functions.sort()).toEqual([...parameters.keys()].sort())
  })

  it('inserts every value, in every plural form', () => {
    for (const [path, types] of parameters)
      for (const n of [0, 1, 2, 3, 11, 100]) {
        const values = types.map((type, i) => (type === 'string' ? `<value ${i}>` : n))
        const text = (texts.get(path) as (...values: unknown[]) => string)(...values)
        const where = `${path}(${n}): ${text}`
        expect(text, where).not.toMatch(/undefined|null|NaN|\[object|#/)
        for (const value of values)
          if (typeof value === 'string') expect(text, where).toContain(value)
          else if (n > 2) expect(text, where).toContain(path === 'notify.title' && n === 100 ? formatted(99) : formatted(n))
      }
  })

  it('has a text for each error code of the server', () => {
    const definitions = readFileSync(new URL('../../common/error.def', import.meta.url), 'utf8')
    const codes = [...definitions.matchAll(/^ERROR\((\w+),/gm)].map(([, code]) => `errors.${code}`)
    expect(codes.length).toBeGreaterThan(30)
    expect(codes.filter((code) => !texts.has(code))).toEqual([])
  })
})

it('uses the plural rules of the language', () => {
  const counts = [0, 1, 2, 3, 11, 100]
  expect(counts.map(en.chats.unread)).toEqual([
    '0 unread messages',
    '1 unread message',
    '2 unread messages',
    '3 unread messages',
    '11 unread messages',
    '100 unread messages',
  ])
  expect([0, 1, 2].map((n) => de.chats.unread(n))).toEqual([
    '0 ungelesene Nachrichten',
    '1 ungelesene Nachricht',
    '2 ungelesene Nachrichten',
  ])
  // The digits of Arabic differ between versions of the Unicode CLDR.
  const digits = new Intl.NumberFormat('ar')
  expect(counts.map((n) => ar.chats.unread(n))).toEqual([
    'لا رسائل غير مقروءة',
    'رسالة واحدة غير مقروءة',
    'رسالتان غير مقروءتين',
    `${digits.format(3)} رسائل غير مقروءة`,
    `${digits.format(11)} رسالة غير مقروءة`,
    `${digits.format(100)} رسالة غير مقروءة`,
  ])
})

describe('the locale of numbers and dates', () => {
  afterEach(() => {
    vi.unstubAllGlobals()
    vi.resetModules()
  })

  it.each([
    // Preferred by the browser, chosen by the user → dates, numbers in English and in Arabic.
    ['fr-FR', null, 'fr-FR', 'en-FR', 'ar-FR'],
    ['en-GB', null, 'en-GB', 'en-GB', 'ar-GB'],
    ['ar-EG', null, 'ar-EG', 'en-EG', 'ar-EG'],
    ['de', 'en', 'en-DE', 'en-DE', 'ar-DE'],
    ['ja-JP', 'de', 'de-JP', 'en-JP', 'ar-JP'],
  ])('is right for %s if the user has chosen %s', async (preferred, chosen, dates, english, arabic) => {
    vi.stubGlobal('navigator', { languages: [preferred] })
    vi.resetModules()
    const locale = await import('../src/i18n/locale')
    expect(locale.datesLocale(chosen)).toBe(dates)
    expect(locale.wordsLocale('en')).toBe(english)
    expect(locale.wordsLocale('ar')).toBe(arabic)
  })
})

it('isolates an inserted text whose direction may differ from that of the sentence', () => {
  const texts = { nested: { joined: (who: string) => `${who} joined` }, count: (n: number) => `${n} new` }
  const ltr = isolating(texts, 'ltr')
  expect(ltr.nested.joined('Ada')).toBe('Ada joined')
  expect(ltr.nested.joined('مها')).toBe('\u2068مها\u2069 joined')
  expect(ltr.count(3)).toBe('3 new')
  expect(isolating(texts, 'rtl').nested.joined('Ada')).toBe('\u2068Ada\u2069 joined')
})
