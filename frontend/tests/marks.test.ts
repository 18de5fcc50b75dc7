import { expect, it } from 'vitest'
import { toggleMark } from '../src/core/marks'

/** Applies a marker to the part of a text between two `|`; returns the text with its new selection. */
function toggle(marked: string, mark: string): string {
  const start = marked.indexOf('|')
  const end = marked.lastIndexOf('|') - 1
  const text = marked.replaceAll('|', '')
  const change = toggleMark(text, start, end, mark)
  const result = text.slice(0, change.from) + change.text + text.slice(change.to)
  return `${result.slice(0, change.start)}|${result.slice(change.start, change.end)}|${result.slice(change.end)}`
}

it('puts a marker around the selected words, and removes it', () => {
  expect(toggle('a |b c| d', '**')).toBe('a **|b c|** d')
  expect(toggle('a **|b c|** d', '**')).toBe('a |b c| d')
  expect(toggle('a |**b c**| d', '**')).toBe('a |b c| d')
  expect(toggle('||', '`')).toBe('`||`')
  expect(toggle('`||`', '`')).toBe('||')
})

it('leaves blanks at the edges of the selection outside', () => {
  expect(toggle('a| b |c', '~~')).toBe('a ~~|b|~~ c')
})

it('distinguishes italic from bold', () => {
  expect(toggle('**|a|**', '*')).toBe('***|a|***')
  expect(toggle('***|a|***', '*')).toBe('**|a|**')
  expect(toggle('***|a|***', '**')).toBe('*|a|*')
  expect(toggle('|**|', '*')).toBe('*|**|*')
})
