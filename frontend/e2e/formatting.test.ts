// Formatted text: what one user writes and the other sees.

import { beforeAll, expect, test } from 'vitest'
import { button, chatRow, chooseFromMenu, field, openChat, openNewest, send, storedTexts, type TestUser } from './browsers'
import { useFixture } from './fixture'
import { overflow } from './layout'

const fixture = useFixture()
let ada: TestUser
let ben: TestUser

const TEXT = [
  'See **this**, *that* and ~~not those~~: `x < 1`, [docs](https://docs.example.org/a_b_c) or example.com.',
  '> a quote',
  '1. one',
  '   - inner',
  '2. two',
  '```js',
  'let wide = "0123456789".repeat(20) // 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789',
  '```',
  'snake_case 2*3*4 __init__.py',
].join('\n')

beforeAll(async () => {
  ;[ada, ben] = await fixture.browsers.newPair('hello')
})

test('a message is formatted for both, and stored as it was written', async () => {
  await ada.page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await send(ada.page, TEXT)
  const newest = await openNewest(ben.page, ada.id, 'See this')
  const text = newest.locator('.message-text')
  expect(await text.locator('strong, em, del').allTextContents()).toEqual(['this', 'that', 'not those'])
  expect(await text.locator('blockquote').textContent()).toBe('a quote')
  expect(await text.locator('ol > li').evaluateAll((items) => items.map((item) => (item as HTMLLIElement).value))).toEqual([1, 2])
  expect(await text.getByRole('link').evaluateAll((links) => links.map((link) => [link.textContent, (link as HTMLAnchorElement).href]))).toEqual([
    ['docs (docs.example.org)', 'https://docs.example.org/a_b_c'],
    ['example.com', 'https://example.com/'],
  ])
  await text.locator('.hljs-keyword', { hasText: 'let' }).waitFor()
  expect(await text.textContent()).toContain('snake_case 2*3*4 __init__.py')
  expect(await storedTexts(ben.page, ada.id)).toContain(TEXT)
  for (const width of [1280, 360]) {
    await ben.page.setViewportSize({ width, height: 800 })
    expect(await overflow(ben.page)).toEqual([])
    await ben.page.screenshot({ path: `${process.env.PARLEY_BUILD || '.'}/formatting-${width}.png` })
  }
  await ben.page.setViewportSize({ width: 1280, height: 800 })
})

test('the chat list shows the words without the markers', async () => {
  await chatRow(ben.page, 'See this, that and not those').waitFor()
})

test('the text as it was written is one click away; code is copied by its button', async () => {
  const message = ada.page.locator('.mine').last()
  await chooseFromMenu(ada.page, message, 'Show as written')
  await expect.poll(() => message.locator('.message-text').textContent()).toContain(TEXT)
  await chooseFromMenu(ada.page, message, 'Show formatted')
  await message.locator('strong').waitFor()
  await chooseFromMenu(ada.page, message, 'Copy text')
  await expect.poll(() => ada.page.evaluate(() => navigator.clipboard.readText())).toBe(TEXT)
  await message.getByRole('button', { name: 'Copy code' }).click()
  await expect.poll(() => ada.page.evaluate(() => navigator.clipboard.readText())).toBe(TEXT.split('\n')[6])
})

test('formatting can be turned off', async () => {
  await ben.page.keyboard.press('Control+,')
  await ben.page.getByRole('switch', { name: 'Format messages' }).click()
  await ben.page.keyboard.press('Escape')
  await ben.page.locator('.theirs', { hasText: 'See **this**' }).waitFor()
  await chatRow(ben.page, 'See **this**').waitFor()
})

test('keys make the selection bold and italic; each is one step that can be undone', async () => {
  await openChat(ada.page, ben.id)
  await field(ada.page).fill('hello')
  await field(ada.page).press('Control+a')
  await field(ada.page).press('Control+b')
  expect(await field(ada.page).inputValue()).toBe('**hello**')
  await field(ada.page).press('Control+i')
  expect(await field(ada.page).inputValue()).toBe('***hello***')
  await field(ada.page).press('Control+z')
  expect(await field(ada.page).inputValue()).toBe('**hello**')
  await button(ada.page, 'Send').click()
  await ada.page.locator('.mine strong', { hasText: 'hello' }).waitFor()
})

test('up to here no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
