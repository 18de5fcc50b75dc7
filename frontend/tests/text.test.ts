import { describe, expect, it } from 'vitest'
import { byteLength, cleanText, cutLinks, initials, isBigEmoji, isBlank } from '../src/core/text'

const links = (text: string) =>
  cutLinks(text).flatMap((piece) => (piece.kind === 'link' ? [piece.href] : []))

describe('links', () => {
  it('finds what says that it is one', () => {
    expect(links('see https://example.org/a?b=c#d, and http://x.test.')).toEqual([
      'https://example.org/a?b=c#d',
      'http://x.test/',
    ])
    expect(links('www.example.org.')).toEqual(['https://www.example.org/'])
    expect(links('write to ada@example.org')).toEqual(['mailto:ada@example.org'])
  })

  it('leaves file names, scripts and odd schemes alone', () => {
    for (const text of [
      'main.rs notes.md example.com',
      'javascript:alert(1)',
      'data:text/html,x',
      'ftp://example.org/',
      '//example.org/x',
      'file:///etc/passwd',
      'www.',
    ])
      expect(links(text)).toEqual([])
  })

  it('loses nothing of the text', () => {
    const text = '(https://a.test) <b>https://b.test/?q="1"</b> www.c.test/ü \u202ehttps://d.test'
    expect(cutLinks(text).map((piece) => piece.text).join('')).toBe(text)
  })

  it('is quick with one word of 16 KB', () => {
    const start = performance.now()
    cutLinks('https://' + 'a'.repeat(16_000))
    cutLinks('a@'.repeat(8_000))
    cutLinks('www.'.repeat(4_000))
    expect(performance.now() - start).toBeLessThan(2_000)
  })
})

describe('text that is sent', () => {
  it('has no control characters, no halves of pairs, no blank ends', () => {
    expect(cleanText('\n \n  a\u0000b\r\nc\td\ud83d \n\n')).toBe('  ab\nc\td\ufffd')
    expect(cleanText('👩‍👩‍👧')).toBe('👩‍👩‍👧')
  })

  it('is blank where nothing can be seen', () => {
    expect(isBlank(' \n\u200b\u202e\u2066')).toBe(true)
    expect(isBlank('\u200ba')).toBe(false)
  })

  it('is measured in bytes', () => {
    expect(byteLength('aé€😀')).toBe(10)
  })
})

describe('emoji', () => {
  it('are shown big when alone', () => {
    for (const text of ['🎉', '👍🏽', '👩‍👩‍👧', '🇳🇱', '❤️', '😀😀😀']) expect(isBigEmoji(text)).toBe(true)
    for (const text of ['😀😀😀😀', '1', '#', 'a😀', '', '😀 😀']) expect(isBigEmoji(text)).toBe(false)
  })
})

describe('initials', () => {
  it('are of the first and the last word', () => {
    expect(initials('Ada King Lovelace')).toBe('AL')
    expect(initials('ada')).toBe('A')
    expect(initials('  ')).toBe('?')
    expect(initials('李小龙')).toBe('李')
    expect(initials('\u202eAda (the) Bo')).toBe('AB')
    expect(initials('a' + '\u0301'.repeat(90)).length).toBeLessThan(4)
  })
})
