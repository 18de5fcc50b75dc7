// Takes pictures of all screens, in three widths and both colour schemes, to be looked at: `npm run screens`. They are
// written to the folder screens/ of the build directory. With PAGE_LANGUAGE=ar the pictures are in Arabic.

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { Browsers, PHONE, button, chatRow, field, send, setLanguage } from './browsers'
import { Server } from './server'

const build = process.env.PARLEY_BUILD!
const folder = `${build}/screens`
const language = process.env.PAGE_LANGUAGE
const SIZES = {
  1280: { viewport: { width: 1280, height: 800 } },
  768: { viewport: { width: 768, height: 1024 } },
  360: PHONE,
}
const closeDialog = (page: Page) => page.keyboard.press('Escape')

/** What to show. Each starts at the chat list. */
const SCREENS: Record<string, (page: Page) => Promise<unknown>> = {
  list: async () => {},
  search: async (page) => {
    await page.getByLabel('Search chats, people and messages').fill('ma')
    await page.getByRole('status').filter({ hasText: 'result' }).waitFor({ state: 'attached' })
  },
  direct: (page) => page.locator('.chat-row:not(:has(.avatar-group))').first().click(),
  group: (page) => page.locator('.chat-row:has(.avatar-group)').first().click(),
  menu: async (page) => {
    await page.locator('.chat-row').first().click()
    await page.locator('.message:has(.message-more)').last().focus()
    await page.keyboard.press('Enter')
    await page.getByRole('menuitem').first().waitFor()
  },
  edit: async (page) => {
    await page.locator('.chat-row:not(:has(.avatar-group))').first().click()
    await send(page, 'A long message that is about to be changed. '.repeat(4))
    await page.locator('.mine').last().waitFor()
    await field(page).press('ArrowUp')
  },
  account: (page) => button(page, 'Account and settings').click(),
  settings: (page) => page.keyboard.press('Control+,'),
  settings_end: async (page) => {
    await page.keyboard.press('Control+,')
    await button(page, 'Delete my account…').click()
  },
  shortcuts: (page) => page.keyboard.press('Control+/'),
  new_group: async (page) => {
    await page.keyboard.press('Alt+g')
    for (const index of [0, 2]) await page.getByRole('dialog').getByRole('checkbox').nth(index).click()
  },
  contact: async (page) => {
    await page.locator('.chat-row:not(:has(.avatar-group))').first().click()
    await button(page, 'Details').click()
  },
  group_details: async (page) => {
    await page.locator('.chat-row:has(.avatar-group)').first().click()
    await button(page, 'Details').click()
    await page.getByRole('dialog').getByText('members').first().waitFor()
  },
  offline: async (page) => {
    await chatRow(page, '').first().click()
    await page.context().setOffline(true)
    await page.getByText('You are offline.').waitFor()
  },
}

test('pictures', { timeout: 600_000 }, async () => {
  mkdirSync(folder, { recursive: true })
  const server = await Server.start()
  const browsers = await Browsers.launch(server)
  try {
    const options = ['--users', '60', '--groups', '6', '--members', '20', '--messages', '6000']
    const logins = execFileSync(`${build}/parley-mock`, ['-c', server.conf, ...options], { encoding: 'utf8' })
    const [, username, password] = /^log in as (\S+) with the password (.+)$/m.exec(logins) ?? []
    expect(password, logins).toBeTruthy()
    for (const [width, size] of Object.entries(SIZES))
      for (const colorScheme of ['light', 'dark'] as const) {
        const page = await browsers.newPage({ ...size, colorScheme, serviceWorkers: 'block' })
        page.setDefaultTimeout(8_000)
        const take = async (name: string) => {
          if (language !== undefined) await setLanguage(page, language)
          // The chunk of a menu or a dialog comes first, then its animation.
          await page.waitForTimeout(300)
          await page.evaluate(() => Promise.allSettled(document.getAnimations().map((a) => a.finished)))
          const suffix = language === undefined ? '' : `-${language}`
          await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}${suffix}.png` })
          if (language !== undefined) await setLanguage(page, null)
        }
        await page.goto('/')
        await page.getByLabel('Username').waitFor()
        await take('log_in')
        await page.goto('/register')
        await page.getByLabel('Your name').waitFor()
        await take('register')
        expect((await page.request.post('/users/login', { data: { username, password, cookie: true } })).ok()).toBe(true)
        for (const [name, show] of Object.entries(SCREENS)) {
          await page.goto('/')
          await page.locator('.chat-row').first().waitFor()
          await show(page).catch((error: unknown) => console.warn(`${name} at ${width}: ${String(error)}`))
          await take(name)
          await closeDialog(page)
        }
        await page.context().close()
      }
  } finally {
    await browsers.close()
    await server.stop()
  }
})
