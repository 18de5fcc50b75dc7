// @vitest-environment jsdom

import { act, screen, waitFor } from '@testing-library/react'
import { afterEach, expect, it, vi } from 'vitest'
import { setPrefs } from '../../src/prefs'
import { highlight } from '../../src/ui/messages/Highlighted'
import { lineOf } from '../../src/ui/format'
import { MessageText } from '../../src/ui/messages/MessageText'
import { sourceShown, toggleSource } from '../../src/ui/messages/source_shown'
import { leastTime } from '../work'
import { show } from './page'

afterEach(() => {
  setPrefs({ formatting: true })
  sourceShown.setState(new Set(), true)
})

const text = (content: string) => show(<MessageText content={content} messageKey="k" />)

it('makes elements for emphasis, quotes, lists and code', () => {
  const { container } = text('**a** *b* ~~c~~ `d`\n> e\n1. f\n   - g\n```\nh\n```')
  const words = (selector: string) => [...container.querySelectorAll(selector)].map((element) => element.textContent)
  expect([words('strong'), words('em'), words('del'), words('blockquote')]).toEqual([['a'], ['b'], ['c'], ['e']])
  expect(words('code')).toEqual(['d', 'h'])
  expect(screen.getAllByRole('listitem').map((item) => item.textContent)).toEqual(['fg', 'g'])
})

it('leads only to the address that it shows', () => {
  const { container } = text('[my **bank**](https://evil.test/bank.test) https://аррӏе.com/ [x](javascript:alert(1))')
  const links = screen.getAllByRole('link')
  expect(links.map((link) => link.getAttribute('href'))).toEqual(['https://evil.test/bank.test', 'https://xn--80ak6aa92e.com/'])
  expect(links.map((link) => link.textContent)).toEqual(['my bank (evil.test)', 'https://аррӏе.com/ (xn--80ak6aa92e.com)'])
  for (const link of links) expect(link.getAttribute('rel')).toBe('noopener noreferrer nofollow')
  expect(container.textContent).toContain('[x](javascript:alert(1))')
})

it('shows a text as it was written on request, and if formatting is off', () => {
  const { container } = text('**a** https://b.test/')
  expect(container.textContent).toBe('a https://b.test/')
  act(() => toggleSource('k'))
  expect(container.textContent).toBe('**a** https://b.test/')
  act(() => toggleSource('k'))
  expect(container.textContent).toBe('a https://b.test/')
  act(() => setPrefs({ formatting: false }))
  expect(container.textContent).toBe('**a** https://b.test/')
  expect(screen.getByRole('link').getAttribute('href')).toBe('https://b.test/')
})

it('copies a code block without its markers', async () => {
  const { user } = text('```js\nlet x\n```')
  const writeText = vi.spyOn(navigator.clipboard, 'writeText')
  await user.click(screen.getByLabelText('Copy code'))
  expect(writeText).toHaveBeenCalledExactlyOnceWith('let x')
})

it('colours code whose language is known, after it was shown without', async () => {
  const { container } = text('```JS\nlet x = "<b>"\n```')
  expect(container.querySelector('pre')!.textContent).toBe('let x = "<b>"')
  await waitFor(() => expect(container.querySelector('.hljs-keyword')?.textContent).toBe('let'), { timeout: 30_000 })
  expect(container.querySelector('.hljs-string')!.textContent).toBe('"<b>"')
  expect(container.querySelector('pre')!.textContent).toBe('let x = "<b>"')
}, 40_000)

it('colours all of the code, in pieces that do not nest, and no long code', () => {
  const nested = '`${'.repeat(650)
  expect(highlight(nested, 'js').map((piece) => piece.text).join('')).toBe(nested)
  expect(highlight('x'.repeat(2_001), 'js')).toEqual([{ text: 'x'.repeat(2_001), className: undefined }])
  expect(highlight('let', 'no-such-language')).toEqual([{ text: 'let', className: undefined }])
})

it('colours hostile code without stopping the page', () => {
  for (const [unit, language] of [['<script>', 'html'], ['a', 'ts'], ['1e', 'ini'], ['a ', 'cpp']] as const)
    expect(leastTime(() => highlight(unit.repeat(2_000 / unit.length), language)), language).toBeLessThan(150)
}, 60_000)

it('cuts a long text in a code block, and shows all of it on request', async () => {
  const { container, user } = text(`\`\`\`\n${'line\n'.repeat(40)}\`\`\`\nend`)
  expect(container.querySelectorAll('pre')).toHaveLength(1)
  expect(container.textContent).not.toContain('end')
  await user.click(screen.getByRole('button', { name: 'Show more' }))
  expect(container.textContent).toContain('end')
  expect(container.textContent).not.toContain('```')
})

it('has no markers where a text is shown in one line', () => {
  expect(lineOf('> **a**\n\n[b](c.com) `d`')).toBe('a b d')
  setPrefs({ formatting: false })
  expect(lineOf('**a**\nb')).toBe('**a** b')
})
