// Accessibility: on a phone, with the keyboard only, with a screen reader, in light, dark and forced colours, in Arabic.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { overflow, unreachable } from './layout'
import {
  PASSWORD,
  PHONE,
  button,
  chatRow,
  event,
  field,
  mine,
  openChat,
  send,
  setLanguage,
  theirs,
  type TestUser,
} from './browsers'
import { useFixture } from './fixture'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const fixture = useFixture()

/** The violations that axe-core rates as serious or critical, with their elements. */
async function axeViolations(page: Page): Promise<string[]> {
  // Colours change during an animation.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)))
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe)
  const violations = await page.evaluate(async () => {
    const runOnly = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
    const rules = { runOnly, resultTypes: ['violations'] }
    interface AxeResult {
      violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
    }
    const { axe } = window as unknown as { axe: { run(where: Document, how: object): Promise<AxeResult> } }
    return (await axe.run(document, rules)).violations
  })
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((n) => `${id}: ${n.html.slice(0, 200)}: ${n.failureSummary}`))
}

async function expectLayout(page: Page): Promise<void> {
  expect(await overflow(page)).toEqual([])
  expect(await unreachable(page)).toEqual([])
}

/** Checks the current page in all colour schemes, and in Arabic, from right to left. */
async function expectAccessible(page: Page): Promise<void> {
  await expectLayout(page)
  for (const media of [
    { colorScheme: 'dark', forcedColors: 'none' },
    { colorScheme: 'light', forcedColors: 'active' },
    { colorScheme: 'light', forcedColors: 'none' },
  ] as const) {
    await page.emulateMedia(media)
    expect(await axeViolations(page), JSON.stringify(media)).toEqual([])
  }
  await setLanguage(page, 'ar')
  await expectLayout(page)
  expect(await axeViolations(page), 'in Arabic').toEqual([])
  await setLanguage(page, null)
}

const dialog = (page: Page, name: string) => page.getByRole('dialog', { name, exact: true })

async function press(page: Page, ...keys: string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key)
}

const SCREENS = { 'a phone of 360 px': PHONE, 'a desktop': {} }

for (const [screen, options] of Object.entries(SCREENS))
  describe(`on ${screen}, without horizontal overflow, unreachable controls or serious axe violations`, () => {
    let page: Page
    let ada: TestUser

    beforeAll(async () => {
      ada = await fixture.browsers.newUser('Ada Lovelace', { ...options, bypassCSP: true })
      page = ada.page
      const ben = await fixture.browsers.newAccount('Benedict Okri-Featherstonehaugh')
      const texts = ['Hello Ada', 'https://example.org/a/rather/long/address?with=parameters', '👋']
      await fixture.browsers.write(ben, ada.id, texts)
    })
    beforeEach(async () => {
      await page.goto('/')
    })
    afterAll(() => page.context().close())

    test('the sign-in forms and their errors', async () => {
      const signIn = await fixture.browsers.newPage({ ...options, bypassCSP: true })
      await signIn.goto('/')
      await button(signIn, 'Log in').waitFor()
      await expectAccessible(signIn)
      await signIn.getByLabel('Username').fill('nobody')
      await signIn.getByLabel('Password', { exact: true }).fill('wrong-password')
      await button(signIn, 'Log in').click()
      await signIn.getByText('The username or the password is wrong.').waitFor()
      await expectAccessible(signIn)
      await signIn.getByRole('link', { name: 'Create account' }).click()
      await button(signIn, 'Create account').waitFor()
      await expectAccessible(signIn)
      await signIn.context().close()
    })

    test('the chat list and the search', async () => {
      await chatRow(page, 'Benedict').waitFor()
      await expectAccessible(page)
      await page.getByLabel('Search chats, people and messages').fill('zzz')
      await page.getByText('Nobody found for “zzz”').waitFor()
      await expectAccessible(page)
      await button(page, 'Clear search').click()
      await chatRow(page, 'Benedict').waitFor()
    })

    test('a conversation, the menu of a message, and the confirmation before it is deleted', async () => {
      await chatRow(page, 'Benedict').click()
      await theirs(page, '👋').waitFor()
      await send(page, 'Hello Ben, nice to see you here. '.repeat(8).trim())
      await send(page, 'And this one goes')
      await mine(page, 'And this one goes').getByLabel('Sent', { exact: true }).waitFor()
      await expectAccessible(page)
      await openMenu(mine(page, 'And this one goes'))
      await page.getByRole('menuitem', { name: 'Delete' }).waitFor()
      await expectAccessible(page)
      await page.getByRole('menuitem', { name: 'Delete' }).click()
      await dialog(page, 'Delete this message?').waitFor()
      await expectAccessible(page)
      await button(dialog(page, 'Delete this message?'), 'Delete').click()
      await page.locator('.mine').getByText('This message was deleted').waitFor()
      await openMenu(page.locator('.mine').first())
      await page.getByRole('menuitem', { name: 'Edit' }).click()
      await field(page).fill('Changed')
      await expectAccessible(page)
      await button(page, 'Save change').click()
      await mine(page, 'Changed').getByText('edited').waitFor()
    })

    test('the details of a contact', async () => {
      await chatRow(page, 'Benedict').click()
      await button(page, 'Details').click()
      await dialog(page, 'Details').waitFor()
      await expectAccessible(page)
      await button(dialog(page, 'Details'), 'Close').click()
    })

    test('a new group and its details', async () => {
      await button(page, 'New group').click()
      const newGroup = dialog(page, 'New group')
      await newGroup.getByLabel('Group name').fill('Friends of tea and of long names of groups')
      await newGroup.getByRole('checkbox').first().click()
      await expectAccessible(page)
      await button(newGroup, 'Create group').click()
      await event(page, 'You added').waitFor()
      await send(page, 'Welcome')
      await mine(page, 'Welcome').getByLabel('Sent', { exact: true }).waitFor()
      await expectAccessible(page)
      await button(page, 'Details').click()
      const details = dialog(page, 'Group details')
      await details.getByText('2 members').waitFor()
      await expectAccessible(page)
      await button(details, 'Add people').click()
      await dialog(page, 'Add people').getByLabel('Search by name').fill('Benedict')
      await dialog(page, 'Add people').getByRole('checkbox').first().waitFor()
      await expectAccessible(page)
      await button(dialog(page, 'Add people'), 'Close').click()
    })

    test('the account menu, the settings and the list of shortcuts', async () => {
      await button(page, 'Account and settings').click()
      await page.getByRole('menuitem', { name: 'Profile and settings' }).waitFor()
      await expectAccessible(page)
      await page.getByRole('menuitem', { name: 'Profile and settings' }).click()
      const settings = dialog(page, 'Profile and settings')
      await button(settings, 'Delete my account…').click()
      await expectAccessible(page)
      await button(settings, 'Close').click()
      await button(page, 'Account and settings').click()
      await page.getByRole('menuitem', { name: 'Keyboard shortcuts' }).click()
      await dialog(page, 'Keyboard shortcuts').waitFor()
      await expectAccessible(page)
    })

    async function openMenu(message: Locator): Promise<void> {
      await message.hover()
      await message.getByLabel('Message actions').click()
    }
  })

test('the keyboard is enough to register, find a contact, send, edit, delete and create a group', async () => {
  const ben = await fixture.browsers.newAccount('Ben Keys')
  const page = await fixture.browsers.newPage()
  const type = (text: string) => page.keyboard.type(text)
  const expectFocused = (locator: Locator) =>
    expect.poll(() => locator.evaluate((element) => element === document.activeElement)).toBe(true)

  await page.goto('/register')
  await expectFocused(page.getByLabel('Your name'))
  await type('Kay Board')
  await press(page, 'Tab')
  await type('kay')
  await press(page, 'Tab')
  await type(PASSWORD)
  await press(page, 'Enter')
  await page.getByText('No chats yet').waitFor()

  await press(page, 'Control+k')
  await type(ben.username)
  await page.getByText(`@${ben.username}`).waitFor()
  await press(page, 'ArrowDown', 'Enter')
  await expectFocused(field(page))
  await type('hello')
  await press(page, 'Shift+Enter')
  await type('by keys')
  await press(page, 'Enter')
  await mine(page, 'hello\nby keys').getByLabel('Sent', { exact: true }).waitFor()
  await expectFocused(field(page))

  await press(page, 'ArrowUp')
  await expectFocused(page.getByLabel('Edit message'))
  await press(page, 'Control+a')
  await type('changed by keys')
  await press(page, 'Enter')
  await mine(page, 'changed by keys').getByText('edited').waitFor()

  await type('to be deleted')
  await press(page, 'Enter')
  await mine(page, 'to be deleted').getByLabel('Sent', { exact: true }).waitFor()
  await press(page, 'Shift+Tab', 'ArrowUp')
  await expectFocused(mine(page, 'to be deleted'))
  await press(page, 'Enter')
  await page.getByRole('menuitem', { name: 'Copy text' }).waitFor()
  await expectFocused(page.getByRole('menuitemcheckbox').first())
  await press(page, 'Escape')
  await expectFocused(mine(page, 'to be deleted'))
  await press(page, 'Enter')
  await expectFocused(page.getByRole('menuitemcheckbox').first())
  await press(page, 'End')
  await expectFocused(page.getByRole('menuitem', { name: 'Delete' }))
  await press(page, 'Enter')
  const confirmation = dialog(page, 'Delete this message?')
  await confirmation.waitFor()
  await press(page, 'Tab')
  await expectFocused(button(confirmation, 'Delete'))
  await press(page, 'Enter')
  await page.locator('.mine').getByText('This message was deleted').waitFor()

  await press(page, 'Alt+g')
  const newGroup = dialog(page, 'New group')
  await expectFocused(newGroup.getByLabel('Group name'))
  await type('Keys')
  await press(page, 'Tab')
  await expectFocused(newGroup.getByLabel('Search by name'))
  await press(page, 'Tab')
  await expectFocused(newGroup.getByRole('checkbox', { name: ben.name }))
  await press(page, 'Space')
  await expect.poll(() => newGroup.getByRole('checkbox', { name: ben.name }).isChecked()).toBe(true)
  // Tab reaches all controls of the dialog, and nothing outside of it.
  const stops = new Set<string>()
  for (let i = 0; i < 12; i++) {
    await press(page, 'Tab')
    stops.add(await page.evaluate(() => {
      const element = document.activeElement!
      // After the last control the focus goes to the browser's own controls: body is active.
      if (element === document.body) return 'the browser'
      if (element.closest('dialog') === null) return 'outside of the dialog'
      return element.getAttribute('aria-label') ?? element.textContent ?? ''
    }))
  }
  expect([...stops]).toEqual(expect.arrayContaining(['Close', 'Search by name', 'Cancel', 'Create group']))
  expect(stops).not.toContain('outside of the dialog')
  const create = button(newGroup, 'Create group')
  for (let i = 0; i < 12 && !(await create.evaluate((element) => element === document.activeElement)); i++)
    await press(page, 'Tab')
  await press(page, 'Enter')
  await event(page, 'You added Ben Keys').waitFor()
  await page.locator('.conversation-name', { hasText: 'Keys' }).waitFor()

  await press(page, 'Alt+ArrowDown')
  await page.locator('.conversation-name', { hasText: ben.name }).waitFor()
  await press(page, 'Control+,')
  await dialog(page, 'Profile and settings').waitFor()
  await press(page, 'Escape')
  await dialog(page, 'Profile and settings').waitFor({ state: 'detached' })
  await expectFocused(field(page))
})

test('the focus is visible at every tab stop', async () => {
  const ben = await fixture.browsers.newUser('Ben Tabs')
  const { page } = ben
  await openChat(page, ben.id)
  await send(page, 'a note')
  await mine(page, 'a note').waitFor()
  const seen = new Set<string>()
  for (let i = 0; i < 14; i++) {
    await press(page, 'Tab')
    const { name, visible } = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement
      const isMarked = (target: Element | null): boolean => {
        if (target === null || target === document.body) return false
        const style = getComputedStyle(target)
        return (style.outlineStyle !== 'none' && style.outlineWidth !== '0px') || style.boxShadow !== 'none'
      }
      return {
        name: element.getAttribute('aria-label') ?? element.textContent ?? element.tagName,
        visible: element === document.body || isMarked(element) || isMarked(element.parentElement),
      }
    })
    seen.add(name)
    expect(visible, `the focus is not visible on "${name}"`).toBe(true)
  }
  expect([...seen]).toEqual(expect.arrayContaining(['Account and settings', 'New group', 'Messages', 'Message']))
  await page.context().close()
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
