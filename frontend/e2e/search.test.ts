// The search of messages, in all chats and in one.

import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { button, openChat, theirs, type TestUser } from './browsers'
import { useFixture } from './fixture'

const fixture = useFixture()
let ada: TestUser
let ben: TestUser

const numbered = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `text ${from + i}`)
const box = (page: Page) => page.getByLabel('Search chats, people and messages')
const found = (page: Page) => page.locator('.found-row')
const foundTexts = (page: Page) => page.locator('.found-row .found-text').allTextContents()
const marks = (page: Page) => page.locator('.found-row mark').allTextContents()

beforeAll(async () => {
  ada = await fixture.browsers.newUser('Ada Searcher')
  ben = await fixture.browsers.newUser('Ben Writer')
  await fixture.browsers.write(ben, ada.id, ['first', 'the Needle with https://example.org/a in the hay', ...numbered(3, 120), 'another néedle', 'last'])
  await fixture.browsers.write(ada, ben.id, ['my own needle'])
})

test('a search in the list marks the words, and a result is shown in its place', async () => {
  const { page } = ada
  await page.goto('/')
  await box(page).fill('needle')
  await expect.poll(() => foundTexts(page)).toEqual([
    'my own needle',
    'another néedle',
    'the Needle with https://example.org/a in the hay',
  ])
  expect(await marks(page)).toEqual(['needle', 'néedle', 'Needle'])
  expect(await page.locator('.found-row .found-title').first().textContent()).toContain('Ben Writer')
  await found(page).nth(2).click()
  await theirs(page, 'text 3').waitFor()
  expect(await theirs(page, 'last').count()).toBe(0)
  // The results stay, and the next one is one click away.
  await found(page).nth(1).click()
  await theirs(page, 'last').waitFor()
  await button(page, 'Clear search').click()
  expect(await found(page).count()).toBe(0)
})

test('what is deleted or edited by the other one is found as it is now', async () => {
  const { page } = ada
  await fixture.browsers.write(ben, ada.id, ['quicksilver one', 'quicksilver two'])
  await page.goto('/')
  await box(page).fill('quicksilver')
  await expect.poll(() => foundTexts(page)).toEqual(['quicksilver two', 'quicksilver one'])
  const ids = await found(page).evaluateAll((rows) => rows.map((row) => Number((row as HTMLElement).dataset.seq)))
  const history = (await (await ben.page.request.get(`/messages/${ada.id}?limit=200`)).json()) as {
    messages: { message_id: number; seq: number }[]
  }
  const idOf = (seq: number) => history.messages.find((m) => m.seq === seq)!.message_id
  const headers = { Origin: new URL(ben.page.url()).origin }
  await ben.page.request.delete(`/messages/${idOf(ids[0]!)}`, { headers })
  await ben.page.request.patch(`/messages/${idOf(ids[1]!)}`, { headers, data: { content: 'mercury one' } })
  await box(page).fill('mercury')
  await expect.poll(() => foundTexts(page)).toEqual(['mercury one'])
  await box(page).fill('quicksilver')
  await page.getByText('No messages found').waitFor()
})

test('Ctrl+F searches in the chat, with filters, and leads back to where the reader was', async () => {
  const { page } = ada
  await openChat(page, ben.id)
  await theirs(page, 'last').waitFor()
  await page.keyboard.press('Control+f')
  const search = page.getByRole('search', { name: 'Search in this chat' })
  const words = search.getByRole('textbox', { name: 'Search in this chat' })
  await words.fill('needle')
  await expect.poll(() => found(page).count()).toBe(3)
  await search.getByRole('combobox').selectOption({ label: 'Ben Writer' })
  await expect.poll(() => found(page).count()).toBe(2)
  await button(page, 'With links').click()
  await expect.poll(() => foundTexts(page)).toEqual([
    'the Needle with https://example.org/a in the hay',
  ])
  await found(page).click()
  await theirs(page, 'text 3').waitFor()
  await button(page, 'Back to where you were').click()
  await theirs(page, 'last').waitFor()
  await words.press('Escape')
  expect(await search.count()).toBe(0)
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('composer')
})

test('more results are loaded when the end of the list is on the screen', async () => {
  const { page } = ada
  await page.goto('/')
  await box(page).fill('text')
  await expect.poll(() => found(page).count()).toBeGreaterThanOrEqual(20)
  for (let count = 0; count < 118; count = await found(page).count()) {
    await found(page).last().scrollIntoViewIfNeeded()
    await expect.poll(() => found(page).count()).toBeGreaterThan(count)
  }
  expect(new Set(await foundTexts(page)).size).toBe(118)
})

test('a newer search aborts the one before', async () => {
  // Requests that a service worker handles are not reported.
  const { page } = await fixture.browsers.open(ada, '/', { serviceWorkers: 'block' })
  const sent: string[] = []
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.pathname === '/messages/search') sent.push(url.searchParams.get('q')!)
  })
  await page.route('**/messages/search?q=needle', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    await route.continue().catch(() => {})
  })
  const aborted = page.waitForEvent('requestfailed', (request) => request.url().includes('q=needle'))
  await box(page).fill('needle')
  await expect.poll(() => sent).toEqual(['needle'])
  await box(page).fill('hay')
  await aborted
  await expect.poll(() => foundTexts(page)).toEqual(['…https://example.org/a in the hay'])
  expect(sent).toEqual(['needle', 'hay'])
  await page.context().close()
})
