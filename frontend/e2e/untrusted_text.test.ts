// Messages and names of others are shown as text, whatever they contain.

import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { PHONE, chatRow, mine, openChat, openNewest, type TestUser } from './browsers'
import { overflow } from './layout'
import { useFixture } from './fixture'

const HTML = '<img src=x onerror="window.hit=1"><script>window.hit=2</script><b>bold</b>'
const TEXTS = {
  html: HTML,
  markdown: '[link](javascript:window.hit=3)\n# Title ![x](data:image/png,x) **bold** `<b>` <https://`x`',
  'markup of 16 KB': `*_**~~[x](${'> - '.repeat(4_000)}`,
  'a javascript: address': 'javascript:window.hit=4',
  'a word of 16 KB': 'W'.repeat(16_384),
  'a word of 16 KB of four-byte characters': '𝕎'.repeat(4_096),
  'emoji families': '👩‍👩‍👧‍👦 👨🏿‍🚀 🏳️‍🌈 🇪🇺',
  'bidi controls': 'safe \u202egpj.exe\u202c \u2066\u2067abc',
  'zero widths': 'a\u200b\u200d\u2060\ufeffb',
  'stacked marks': `Z${'\u0301\u0323'.repeat(60)}algo`,
  'Arabic and Hebrew': 'مرحبا hello שלום',
  'many lines': Array.from({ length: 60 }, (_, i) => `line ${i}`).join('\n'),
}
const HOSTILE_NAME = `<b>Eve</b> \u202e${'W'.repeat(70)}👩‍👩‍👧‍👦`

const fixture = useFixture()
let ada: TestUser
let eve: TestUser

beforeAll(async () => {
  ada = await fixture.browsers.newUser('Ada Lovelace')
  eve = await fixture.browsers.newUser(HOSTILE_NAME)
  await openChat(eve.page, ada.id)
})

/** Sends over HTTP: the page may refuse the text. */
async function post(page: Page, receiver: number, content: string): Promise<void> {
  const status = await page.evaluate(
    async (body) => {
      const headers = { 'Content-Type': 'application/json' }
      return (await fetch('/messages/send_message', { method: 'POST', headers, body })).status
    },
    JSON.stringify({ receiver_id: receiver, content }),
  )
  expect(status).toBe(201)
}

async function expectIntact(page: Page): Promise<void> {
  expect(await overflow(page)).toEqual([])
  expect(await page.evaluate(() => 'hit' in window)).toBe(false)
}

for (const [name, text] of Object.entries(TEXTS))
  test(`${name}: shown as text, without breaking the layout`, async () => {
    await post(eve.page, ada.id, text)
    const newest = await openNewest(ada.page, eve.id, text.slice(0, 40))
    expect(await newest.locator('.message-text').locator('a, img, script, b').count()).toBe(0)
    await expectIntact(ada.page)
    await expectIntact(eve.page)
    await ada.page.setViewportSize({ width: 360, height: 780 })
    await expectIntact(ada.page)
    await ada.page.goto('/')
    await chatRow(ada.page, 'Eve').waitFor()
    await expectIntact(ada.page)
    await ada.page.setViewportSize({ width: 1280, height: 800 })
  })

test('a long message is cut, and shown in full on request', async () => {
  await post(eve.page, ada.id, `${'word '.repeat(3_000)}end`)
  const newest = await openNewest(ada.page, eve.id, 'word word')
  await newest.getByRole('button', { name: 'Show more' }).click()
  await expect.poll(() => newest.textContent()).toContain('word end')
  await expectIntact(ada.page)
})

test('a name of HTML, bidi controls and a long word is shown as text everywhere', async () => {
  const phone = await fixture.browsers.newUser('Fay', PHONE)
  await post(eve.page, phone.id, 'hello')
  for (const page of [ada.page, phone.page]) {
    await page.goto('/')
    await chatRow(page, '<b>Eve</b>').first().click()
    await page.locator('.conversation-name', { hasText: '<b>Eve</b>' }).waitFor()
    await expectIntact(page)
    await page.getByRole('button', { name: 'Details' }).click()
    await page.getByRole('dialog').getByText('<b>Eve</b>').first().waitFor()
    await expectIntact(page)
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
  }
  await phone.page.context().close()
})

test('a text of 16 KiB is one message; an edit that is longer cannot be saved, and the page says why', async () => {
  await openNewest(ada.page, eve.id, 'word word')
  await ada.page.locator('#composer').fill('x'.repeat(16_384))
  await ada.page.getByRole('button', { name: 'Send' }).click()
  await mine(ada.page, 'x'.repeat(1_400)).getByLabel('Read', { exact: true }).waitFor()
  await ada.page.locator('#composer').press('ArrowUp')
  await ada.page.locator('#composer').fill('x'.repeat(16_385))
  await ada.page.getByText('1 byte too long for one message').waitFor()
  expect(await ada.page.getByRole('button', { name: 'Save change' }).isDisabled()).toBe(true)
  await ada.page.locator('#composer').press('Escape')
})

test('the initials replace a picture that cannot be loaded', async () => {
  await eve.page.keyboard.press('Control+,')
  const settings = eve.page.getByRole('dialog', { name: 'Profile and settings' })
  await settings.getByLabel('Your name').fill('Eve Adams')
  await settings.getByLabel('Picture address').fill(`${fixture.server.base}/no-such-picture.png`)
  await settings.getByText('There is no image at this address.').waitFor()
  await settings.getByRole('button', { name: 'Save' }).first().click()
  await settings.getByRole('button', { name: 'Saved' }).waitFor()
  await settings.getByRole('button', { name: 'Close' }).click()
  await ada.page.goto('/')
  const avatar = chatRow(ada.page, 'Eve Adams').locator('.avatar')
  await avatar.locator('[data-initials="EA"]').waitFor()
  expect(await avatar.locator('img').count()).toBe(0)
})

test('a profile picture is shown', async () => {
  const picture = `${fixture.server.base}/favicon.svg`
  const status = await eve.page.evaluate(
    async (body) => {
      const headers = { 'Content-Type': 'application/json' }
      return (await fetch('/users/me', { method: 'PATCH', headers, body })).status
    },
    JSON.stringify({ profile_picture: picture }),
  )
  expect(status).toBe(200)
  await ada.page.goto('/')
  await chatRow(ada.page, 'Eve Adams').locator(`.avatar img[src="${picture}"]`).waitFor()
})

test('up to here no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})

test('the content security policy prevents an injected inline script from running', async () => {
  const page = await fixture.browsers.newPage()
  await page.goto('/')
  await page.getByRole('button', { name: 'Log in' }).waitFor()
  await page.evaluate(() => {
    const script = document.createElement('script')
    script.textContent = 'window.hit = 5'
    document.body.append(script)
  })
  await expect.poll(() => fixture.browsers.violations.length).toBeGreaterThan(0)
  expect(await page.evaluate(() => 'hit' in window)).toBe(false)
})
