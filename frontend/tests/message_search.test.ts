import { describe, expect, it } from 'vitest'
import { isSearchable, searchParameters, snippet, startOfDay } from '../src/core/message_search'

const shown = (content: string, ...highlights: [number, number][]) =>
  snippet({ content, highlights })
    .map(({ text, marked }) => (marked ? `[${text}]` : text))
    .join('')

describe('a result', () => {
  it('marks the matches, which are counted in UTF-16 code units', () => {
    expect(shown('😀 Foo and föo', [3, 3], [11, 3])).toBe('😀 [Foo] and [föo]')
    expect(shown('no match')).toBe('no match')
  })

  it('is cut around the first match, at a blank and not inside of a character', () => {
    const text = `${'word '.repeat(40)}needle ${'😀'.repeat(200)}`
    const result = shown(text, [200, 6])
    expect(result).toMatch(/^…word .*\[needle\] (😀)+…$/u)
    expect(result.length).toBeLessThan(200)
    expect(result).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/)
  })

  it('keeps a text whose match is near its beginning from the beginning on', () => {
    expect(shown(`${'x'.repeat(30)} needle`, [31, 6])).toBe(`${'x'.repeat(30)} [needle]`)
  })
})

describe('a query', () => {
  it('is sent from two letters on, or with a filter that needs none', () => {
    const sent = ['a', 'ab', '你', ' ', ''].map((q) => isSearchable({ q }))
    expect(sent).toEqual([false, true, true, false, false])
    expect(isSearchable({ q: '', has: 'link' })).toBe(true)
    expect(isSearchable({ q: '', from: 7 })).toBe(true)
    expect(isSearchable({ q: '', after: '2026-03-01' })).toBe(false)
  })

  it('has only the parameters that are given', () => {
    expect(searchParameters({ q: ' a&b ' }, null)).toBe('q=a%26b')
    expect(searchParameters({ q: '', chat_id: 3, has: 'link' }, 'c')).toBe('chat_id=3&has=link&cursor=c')
  })

  it('names a day by its beginning on this device', () => {
    expect(startOfDay('2026-03-01')).toBe(new Date(2026, 2, 1).toISOString())
  })
})
