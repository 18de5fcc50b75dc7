import { describe, expect, it } from 'vitest'
import { byteLength, cleanText, directionOf, splitText, initials, isEmojiOnly, isBlank } from '../src/core/text'

describe('text that is sent', () => {
  it('has no control characters, lone surrogates, leading blank lines or trailing white space', () => {
    expect(cleanText('\n \n  a\u0000b\r\nc\td\ud83d \n\n')).toBe('  ab\nc\td\ufffd')
    expect(cleanText('👩‍👩‍👧')).toBe('👩‍👩‍👧')
  })

  it('is measured in bytes of UTF-8', () => {
    expect(byteLength('aé€😀')).toBe(10)
  })
})

describe('blank text', () => {
  const INVISIBLE = {
    'nothing at all': '',
    'U+0020 SPACE and U+000A': ' \n',
    'U+0085 NEXT LINE': '\u0085',
    'U+00AD SOFT HYPHEN': '\u00ad',
    'U+034F COMBINING GRAPHEME JOINER': '\u034f',
    'U+061C ARABIC LETTER MARK': '\u061c',
    'U+115F HANGUL CHOSEONG FILLER': '\u115f',
    'U+1680 OGHAM SPACE MARK': '\u1680',
    'U+17B4 KHMER VOWEL INHERENT AQ': '\u17b4',
    'U+180E MONGOLIAN VOWEL SEPARATOR': '\u180e',
    'U+200B ZERO WIDTH SPACE': '\u200b',
    'U+202E RIGHT-TO-LEFT OVERRIDE': '\u202e',
    'U+2065, unassigned and default ignorable': '\u2065',
    'U+2800 BRAILLE PATTERN BLANK': '\u2800',
    'U+3000 IDEOGRAPHIC SPACE': '\u3000',
    'U+3164 HANGUL FILLER': '\u3164',
    'U+D83D, a lone surrogate': '\ud83d',
    'U+FE0F VARIATION SELECTOR-16': '\ufe0f',
    'U+FEFF ZERO WIDTH NO-BREAK SPACE': '\ufeff',
    'U+FFA0 HALFWIDTH HANGUL FILLER': '\uffa0',
    'U+1D159 MUSICAL SYMBOL NULL NOTEHEAD': '\u{1d159}',
    'U+E0001 LANGUAGE TAG': '\u{e0001}',
    'U+E0FFF, the last default ignorable': '\u{e0fff}',
    'several of them': '\u3164 \u2800\u200b',
  }
  for (const [name, text] of Object.entries(INVISIBLE))
    it(`is ${name}`, () => expect(isBlank(text)).toBe(true))

  const VISIBLE = {
    'a letter': 'a',
    'a letter after a zero width space': '\u200ba',
    'U+2801 BRAILLE PATTERN DOTS-1': '\u2801',
    'U+1100 HANGUL CHOSEONG KIYEOK': '\u1100',
    'U+0301 COMBINING ACUTE ACCENT': '\u0301',
    'an emoji with a variation selector': '❤️',
    'U+E000, private use': '\ue000',
    'U+1FAFF, unassigned in Unicode 15': '\u{1faff}',
  }
  for (const [name, text] of Object.entries(VISIBLE))
    it(`is not ${name}`, () => expect(isBlank(text)).toBe(false))
})

describe('emoji', () => {
  it('are recognised if a text has one to three of them and nothing else', () => {
    for (const text of ['🎉', '👍🏽', '👩‍👩‍👧', '🇳🇱', '❤️', '😀😀😀']) expect(isEmojiOnly(text)).toBe(true)
    for (const text of ['😀😀😀😀', '1', '#', 'a😀', '', '😀 😀']) expect(isEmojiOnly(text)).toBe(false)
  })
})

describe('initials', () => {
  it('are the first letters of the first and the last word', () => {
    expect(initials('Ada King Lovelace')).toBe('AL')
    expect(initials('ada')).toBe('A')
    expect(initials('  ')).toBe('?')
    expect(initials('李小龙')).toBe('李')
    expect(initials('\u202eAda (the) Bo')).toBe('AB')
    expect(initials('\u3164 \u2800')).toBe('?')
    expect(initials('a' + '\u0301'.repeat(90)).length).toBeLessThan(4)
  })
})

describe('a text that is too long for one message', () => {
  const words = (text: string) => text.split(/\s+/).filter(Boolean)

  it('is divided between paragraphs, else between lines, else between words', () => {
    expect(splitText('one two\n\nthree four\nfive', 20)).toEqual(['one two\n\nthree four', 'five'])
    expect(splitText(`${'a'.repeat(12)}\n\n${'b'.repeat(3)}\nc ${'d'.repeat(9)}`, 20)).toEqual([
      'a'.repeat(12),
      `bbb\nc ${'d'.repeat(9)}`,
    ])
    expect(splitText(`${'a'.repeat(6)} ${'b'.repeat(6)}\n${'c'.repeat(3)} ${'d'.repeat(6)}`, 20)).toEqual([
      'aaaaaa bbbbbb',
      'ccc dddddd',
    ])
    expect(splitText('aaaa bbbb cccc dddd eeee', 20)).toEqual(['aaaa bbbb cccc dddd', 'eeee'])
  })

  it('is not divided if it fits, and is empty if it is blank', () => {
    expect(splitText(' x '.repeat(5_000))).toHaveLength(1)
    expect(splitText('x'.repeat(16_384))).toEqual(['x'.repeat(16_384)])
    expect(splitText('x'.repeat(16_385)).map((part) => part.length)).toEqual([16_384, 1])
    for (const blank of ['', ' \n ', ' '.repeat(100_000), '\u200b'.repeat(30_000)]) expect(splitText(blank)).toEqual([])
  })

  it('is not divided inside of a grapheme, also without spaces', () => {
    for (const grapheme of ['👩‍👩‍👧‍👦', '🇩🇪', 'e\u0301\u0323', '한', 'ü', '😀']) {
      const text = grapheme.repeat(3_000)
      const parts = splitText(text)
      expect(parts.join('')).toBe(text)
      for (const part of parts) {
        expect(byteLength(part)).toBeLessThanOrEqual(16_384)
        expect(part.length % grapheme.length).toBe(0)
      }
    }
  })

  it('keeps every word in its order, with at least half a message each', () => {
    const text = Array.from({ length: 20_000 }, (_, i) => `wörd${i}${i % 40 === 0 ? '\n\n' : i % 9 === 0 ? '\n' : ' '}`).join('')
    const parts = splitText(text)
    expect(parts.flatMap(words)).toEqual(words(text))
    for (const part of parts.slice(0, -1)) {
      expect(byteLength(part)).toBeLessThanOrEqual(16_384)
      expect(byteLength(part)).toBeGreaterThan(8_000)
    }
  })

  it('takes linear time, whatever it consists of', () => {
    for (const unit of [' ', '\n', 'x', ' \n', 'e\u0301', '\u0301', '😀', '\ud800']) {
      const start = performance.now()
      splitText(unit.repeat(200_000))
      expect(performance.now() - start, JSON.stringify(unit)).toBeLessThan(500)
    }
  })
})

it('the direction of a text is that of its first letter', () => {
  expect(['', ' 12 ', '«abc שלום', '1) שלום abc', 'مرحبا', '😀 ܫܠܡܐ'].map(directionOf)).toEqual(
    ['ltr', 'ltr', 'ltr', 'rtl', 'rtl', 'rtl'],
  )
})
