// Languages: the catalogue, the direction of the layout, the formats of dates and times, the change of the day.

import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { button, chatRow, field, mine, openChat, send, theirs, type TestUser } from './browsers'
import { useFixture } from './fixture'
import { overflow } from './layout'

const fixture = useFixture()

const DAY_MS = 86_400_000
const language = (page: Page) =>
  page.evaluate(() => `${document.documentElement.lang} ${document.documentElement.dir}`)
const settings = (page: Page) => page.locator('.dialog:has(.settings)')
/** Removes the bidi isolates around inserted texts. */
const plain = (text: string | null) => (text ?? '').replace(/[\u2068\u2069]/g, '')

/** As after a sleep: the timers of the page did not run. */
const wake = (page: Page) => page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))

/** Opens the chat of a user with themselves, with one message. */
async function openNotes(user: TestUser): Promise<string> {
  await openChat(user.page, user.id)
  await send(user.page, 'A note')
  await mine(user.page, 'A note').locator('time').waitFor()
  await mine(user.page, 'A note').getByRole('img').waitFor({ state: 'detached' }) // it is stored
  return (await mine(user.page, 'A note').locator('time').getAttribute('datetime'))!
}

describe('dates and times have the formats of the browser', () => {
  let ada: TestUser
  let sentAt: string
  let page: Page | undefined
  beforeAll(async () => {
    ada = await fixture.browsers.newUser('Ada')
    sentAt = await openNotes(ada)
  })
  afterEach(() => page?.context().close())
  afterAll(() => ada.page.context().close())

  test.each([
    ['de-DE', 'de ltr', 'Heute'],
    ['fr-FR', 'en ltr', 'Today'],
    ['ja-JP', 'en ltr', 'Today'],
    ['ar-EG', 'ar rtl', 'اليوم'],
    ['en-GB', 'en ltr', 'Today'],
  ])('%s', async (locale, html, today) => {
    const opened = (page = await fixture.browsers.newPage({ locale }, ada))
    await page.clock.install()
    await openChat(page, ada.id)
    await mine(page, 'A note').waitFor()
    const expected = (options: Intl.DateTimeFormatOptions) =>
      opened.evaluate(
        ([where, at, how]) => new Intl.DateTimeFormat(where, how).format(new Date(at)),
        [locale, sentAt, options] as const,
      )
    const time = await expected({ hour: 'numeric', minute: '2-digit' })
    const inBubble = mine(page, 'A note').locator('time')
    const inList = page.locator('.chat-row-time')
    const separator = page.locator('.row .day time')

    expect(await language(page)).toBe(html)
    expect(await inBubble.textContent()).toBe(time)
    expect(await inBubble.getAttribute('title')).toBe(await expected({ dateStyle: 'full', timeStyle: 'short' }))
    expect(await inList.textContent()).toBe(time)
    expect(await separator.textContent()).toBe(today)
    if (locale !== 'ar-EG') expect(time).toMatch(/^\d?\d:\d\d$/)

    for (const [days, list, day] of [
      [3, { weekday: 'short' }, { weekday: 'long' }],
      [400, { dateStyle: 'short' }, { day: 'numeric', month: 'long', year: 'numeric' }],
    ] as const) {
      await page.clock.setSystemTime(Date.parse(sentAt) + days * DAY_MS)
      await wake(page)
      await expect.poll(() => separator.textContent()).toBe(await expected(day))
      await expect.poll(() => inList.textContent()).toBe(await expected(list))
    }
  })
})

test('at midnight "Today" becomes "Yesterday", also after a sleep', async () => {
  const user = await fixture.browsers.newUser('Ada', { timezoneId: 'UTC' })
  const { page } = user
  const midnight = (Math.floor(Date.parse(await openNotes(user)) / DAY_MS) + 1) * DAY_MS
  await page.clock.install({ time: midnight - 60_000 })
  await page.reload()
  const separator = page.locator('.row .day time')
  const inList = page.locator('.chat-row-time')
  await separator.waitFor()
  expect(await separator.textContent()).toBe('Today')
  expect(await inList.textContent()).toMatch(/^\d\d:\d\d$/)
  await page.clock.fastForward(60_000)
  await expect.poll(() => separator.textContent()).toBe('Yesterday')
  expect(await inList.textContent()).toBe('Yesterday')

  await page.clock.setSystemTime(midnight + DAY_MS + 60_000)
  expect(await separator.textContent()).toBe('Yesterday')
  await wake(page)
  const weekday = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' }).format(midnight - 1)
  await expect.poll(() => separator.textContent()).toBe(weekday)
  await page.context().close()
})

test('the language is chosen in the settings, changes at once, and keeps what is being written', async () => {
  const user = await fixture.browsers.newUser('Ada')
  const { page } = user
  const catalogues: string[] = []
  page.on('request', (request) => {
    const name = /\/assets\/(ar|de)-[^/]*\.js$/.exec(request.url())?.[1]
    if (name !== undefined) catalogues.push(name)
  })
  await openNotes(user)
  await field(page).fill('Half a thou')
  await page.keyboard.press('Control+,')
  await settings(page).getByLabel('Your name').fill('Ada L')
  expect(catalogues).toEqual([])

  await settings(page).getByLabel('Language').focus()
  await settings(page).getByLabel('Language').selectOption('Deutsch')
  await page.getByRole('heading', { name: 'Profil und Einstellungen' }).waitFor()
  expect(await language(page)).toBe('de ltr')
  expect(await settings(page).getByLabel('Dein Name').inputValue()).toBe('Ada L')
  expect(await settings(page).getByLabel('Sprache').evaluate((select) => select === document.activeElement)).toBe(true)
  await button(settings(page), 'Schließen').click()
  expect(await page.locator('.row .day time').textContent()).toBe('Heute')
  expect(await field(page).inputValue()).toBe('Half a thou')
  expect(await chatRow(page, 'Notizen an mich').count()).toBe(1)
  expect(catalogues).toEqual(['de'])

  await page.reload()
  await chatRow(page, 'Notizen an mich').waitFor()
  expect(await field(page).inputValue()).toBe('Half a thou')

  await page.keyboard.press('Control+,')
  await settings(page).getByLabel('Sprache').selectOption('العربية')
  await button(settings(page), 'إغلاق').click()
  expect(await language(page)).toBe('ar rtl')
  expect(await field(page).inputValue()).toBe('Half a thou')

  await page.keyboard.press('Control+,')
  await settings(page).getByLabel('اللغة').selectOption('')
  await page.getByRole('heading', { name: 'Profile and settings' }).waitFor()
  expect(await language(page)).toBe('en ltr')
  await page.context().close()
})

test('an error of the server is in the language of the page', async () => {
  const page = await fixture.browsers.newPage({ locale: 'de-AT' })
  await page.goto('/')
  await page.getByLabel('Benutzername').fill('nobody')
  await page.getByLabel('Passwort', { exact: true }).fill('wrong-password')
  await button(page, 'Anmelden').click()
  await page.getByText('Der Benutzername oder das Passwort ist falsch.').waitFor()
  await page.context().close()
})

test.each([1280, 360])('in Arabic the layout is mirrored, at %i px', async (width) => {
  const ben = await fixture.browsers.newUser('Ben (Ops)')
  const maha = await fixture.browsers.newUser('مها Maha', { locale: 'ar-EG', viewport: { width, height: 780 } })
  const { page } = maha
  await openChat(ben.page, maha.id)
  for (const text of ['Hello!', 'How are you?']) await send(ben.page, text)

  await chatRow(page, 'How are you?').waitFor()
  await expect.poll(async () => plain(await chatRow(page, 'Ben').locator('.badge').textContent())).toBe('٢رسالتان غير مقروءتين')
  await expect.poll(async () => plain(await page.title())).toContain('(٢)')
  expect(await overflow(page)).toEqual([])

  await openChat(page, ben.id)
  await send(page, 'مرحبا Ben!')
  await mine(page, 'مرحبا Ben!').getByLabel('أُرسلت', { exact: true }).waitFor()
  const box = async (selector: string) => (await page.locator(selector).last().boundingBox())!
  const frame = await box('.messages')
  const own = await box('.mine .bubble')
  const other = await box('.theirs .bubble')
  const middle = frame.x + frame.width / 2
  expect(own.x).toBeLessThan(middle)
  expect(other.x + other.width).toBeGreaterThan(middle)
  expect(other.x).toBeGreaterThan(own.x)
  expect((await box('.send')).x).toBeLessThan((await box('#composer')).x)
  if (width > 720) expect((await box('.sidebar')).x).toBeGreaterThan(frame.x)
  else expect((await box('.back-button')).x).toBeGreaterThan((await box('.conversation-name')).x)
  expect(await overflow(page)).toEqual([])
  // The sentence of the other side keeps its full stop at its own end.
  expect(await theirs(page, 'Hello!').locator('.message-text').evaluate((text) => getComputedStyle(text).direction)).toBe('ltr')

  await page.keyboard.press('Control+,')
  await settings(page).waitFor()
  expect(await overflow(page)).toEqual([])
  await maha.page.context().close()
  await ben.page.context().close()
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
