// The page is for everybody: on a phone, with the keyboard alone, with a screen reader, in light and in dark.

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
  say,
  theirs,
  type Person,
} from './people'
import { world } from './world'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const here = world()

/** What axe-core calls serious or critical, each with the elements concerned. */
async function serious(page: Page): Promise<string[]> {
  // What moves is looked at when it has arrived: colours change on the way.
  await page.evaluate(() => Promise.allSettled(document.getAnimations().map((one) => one.finished)))
  await page.evaluate(axe)
  const violations = await page.evaluate(async () => {
    const rules = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }
    interface Found {
      violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
    }
    const { axe } = window as unknown as { axe: { run(where: Document, how: object): Promise<Found> } }
    return (await axe.run(document, rules)).violations
  })
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((n) => `${id}: ${n.html.slice(0, 200)}: ${n.failureSummary}`))
}

/** Looks at the page as it is, in both colours. */
async function expectGood(page: Page): Promise<void> {
  expect(await overflow(page)).toEqual([])
  expect(await unreachable(page)).toEqual([])
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme })
    expect(await serious(page), colorScheme).toEqual([])
  }
}

const dialog = (page: Page, name: string) => page.getByRole('dialog', { name, exact: true })

async function press(page: Page, ...keys: string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key)
}

const SCREENS = { 'a phone of 360 px': PHONE, 'a desktop': {} }

for (const [screen, options] of Object.entries(SCREENS))
  describe(`on ${screen}, nothing scrolls sideways, each control can be reached, axe finds nothing serious`, () => {
    let page: Page
    let ada: Person

    beforeAll(async () => {
      ada = await here.people.person('Ada Lovelace', { ...options, bypassCSP: true })
      page = ada.page
      const ben = await here.people.person('Benedict Okri-Featherstonehaugh')
      await openChat(ben.page, ada.id)
      for (const text of ['Hello Ada', 'https://example.org/a/rather/long/address?with=parameters', '👋'])
        await say(ben.page, text)
      await mine(ben.page, '👋').getByLabel('Sent', { exact: true }).waitFor()
      await ben.page.context().close()
    })
    beforeEach(async () => {
      await page.goto('/')
    })
    afterAll(() => page.context().close())

    test('where one signs in, and what is said of a mistake', async () => {
      const stranger = await here.people.stranger({ ...options, bypassCSP: true })
      await stranger.goto('/')
      await button(stranger, 'Log in').waitFor()
      await expectGood(stranger)
      await stranger.getByLabel('Username').fill('nobody')
      await stranger.getByLabel('Password', { exact: true }).fill('wrong-password')
      await button(stranger, 'Log in').click()
      await stranger.getByText('The username or the password is wrong.').waitFor()
      await expectGood(stranger)
      await stranger.getByRole('link', { name: 'Create account' }).click()
      await button(stranger, 'Create account').waitFor()
      await expectGood(stranger)
      await stranger.context().close()
    })

    test('the list, and the search', async () => {
      await chatRow(page, 'Benedict').waitFor()
      await expectGood(page)
      await page.getByLabel('Search chats and people').fill('zzz')
      await page.getByText('Nobody found for “zzz”').waitFor()
      await expectGood(page)
      await button(page, 'Clear search').click()
      await chatRow(page, 'Benedict').waitFor()
    })

    test('a conversation, the menu of a message, and the question before it is deleted', async () => {
      await chatRow(page, 'Benedict').click()
      await theirs(page, '👋').waitFor()
      await say(page, 'Hello Ben, nice to see you here. '.repeat(8).trim())
      await say(page, 'And this one goes')
      await mine(page, 'And this one goes').getByLabel('Sent', { exact: true }).waitFor()
      await expectGood(page)
      await openMenu(mine(page, 'And this one goes'))
      await page.getByRole('menuitem', { name: 'Delete' }).waitFor()
      await expectGood(page)
      await page.getByRole('menuitem', { name: 'Delete' }).click()
      await dialog(page, 'Delete this message?').waitFor()
      await expectGood(page)
      await button(dialog(page, 'Delete this message?'), 'Delete').click()
      await page.locator('.mine').getByText('This message was deleted').waitFor()
      await openMenu(page.locator('.mine').first())
      await page.getByRole('menuitem', { name: 'Edit' }).click()
      await field(page).fill('Changed')
      await expectGood(page)
      await button(page, 'Save change').click()
      await mine(page, 'Changed').getByText('edited').waitFor()
    })

    test('the details of a person', async () => {
      await chatRow(page, 'Benedict').click()
      await button(page, 'Details').click()
      await dialog(page, 'Details').waitFor()
      await expectGood(page)
      await button(dialog(page, 'Details'), 'Close').click()
    })

    test('a new group, and its details', async () => {
      await button(page, 'New group').click()
      const making = dialog(page, 'New group')
      await making.getByLabel('Group name').fill('Friends of tea and of long names of groups')
      await making.getByRole('checkbox').first().click()
      await expectGood(page)
      await button(making, 'Create group').click()
      await event(page, 'You added').waitFor()
      await say(page, 'Welcome')
      await mine(page, 'Welcome').getByLabel('Sent', { exact: true }).waitFor()
      await expectGood(page)
      await button(page, 'Details').click()
      const details = dialog(page, 'Group details')
      await details.getByText('2 members').waitFor()
      await expectGood(page)
      await button(details, 'Add people').click()
      await dialog(page, 'Add people').getByLabel('Search by name').fill('Benedict')
      await dialog(page, 'Add people').getByRole('checkbox').first().waitFor()
      await expectGood(page)
      await button(dialog(page, 'Add people'), 'Close').click()
    })

    test('the account menu, the settings and the list of keys', async () => {
      await button(page, 'Account and settings').click()
      await page.getByRole('menuitem', { name: 'Profile and settings' }).waitFor()
      await expectGood(page)
      await page.getByRole('menuitem', { name: 'Profile and settings' }).click()
      const settings = dialog(page, 'Profile and settings')
      await button(settings, 'Delete my account…').click()
      await expectGood(page)
      await button(settings, 'Close').click()
      await button(page, 'Account and settings').click()
      await page.getByRole('menuitem', { name: 'Keyboard shortcuts' }).click()
      await dialog(page, 'Keyboard shortcuts').waitFor()
      await expectGood(page)
    })

    async function openMenu(message: Locator): Promise<void> {
      await message.hover()
      await message.getByLabel('Message actions').click()
    }
  })

test('with the keyboard alone one signs up, finds a friend, writes, edits, deletes and makes a group', async () => {
  const ben = await here.people.person('Ben Keys')
  const page = await here.people.stranger()
  const type = (text: string) => page.keyboard.type(text)
  const focused = (locator: Locator) =>
    expect.poll(() => locator.evaluate((element) => element === document.activeElement)).toBe(true)

  await page.goto('/register')
  await focused(page.getByLabel('Your name'))
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
  await focused(field(page))
  await type('hello')
  await press(page, 'Shift+Enter')
  await type('by keys')
  await press(page, 'Enter')
  await mine(page, 'hello\nby keys').getByLabel('Sent', { exact: true }).waitFor()
  await focused(field(page))

  await press(page, 'ArrowUp')
  await focused(page.getByLabel('Edit message'))
  await press(page, 'Control+a')
  await type('changed by keys')
  await press(page, 'Enter')
  await mine(page, 'changed by keys').getByText('edited').waitFor()

  await type('to be deleted')
  await press(page, 'Enter')
  await mine(page, 'to be deleted').getByLabel('Sent', { exact: true }).waitFor()
  await press(page, 'Shift+Tab', 'ArrowUp')
  await focused(mine(page, 'to be deleted'))
  await press(page, 'Enter')
  await page.getByRole('menuitem', { name: 'Copy text' }).waitFor()
  await focused(page.getByRole('menuitem', { name: 'Copy text' }))
  await press(page, 'Escape')
  await focused(mine(page, 'to be deleted'))
  await press(page, 'Enter')
  await focused(page.getByRole('menuitem', { name: 'Copy text' }))
  await press(page, 'End')
  await focused(page.getByRole('menuitem', { name: 'Delete' }))
  await press(page, 'Enter')
  const question = dialog(page, 'Delete this message?')
  await question.waitFor()
  await press(page, 'Tab')
  await focused(button(question, 'Delete'))
  await press(page, 'Enter')
  await page.locator('.mine').getByText('This message was deleted').waitFor()

  await press(page, 'Alt+g')
  const making = dialog(page, 'New group')
  await focused(making.getByLabel('Group name'))
  await type('Keys')
  await press(page, 'Tab')
  await focused(making.getByLabel('Search by name'))
  await press(page, 'Tab')
  await focused(making.getByRole('checkbox', { name: ben.name }))
  await press(page, 'Space')
  await expect.poll(() => making.getByRole('checkbox', { name: ben.name }).isChecked()).toBe(true)
  // All of the dialog comes by, and nothing but the dialog.
  const stops = new Set<string>()
  for (let i = 0; i < 12; i++) {
    await press(page, 'Tab')
    stops.add(await page.evaluate(() => {
      const element = document.activeElement!
      // Beyond the last one is the browser's own bar, for which the page's body stands.
      if (element === document.body) return 'the browser'
      if (element.closest('dialog') === null) return 'behind the dialog'
      return element.getAttribute('aria-label') ?? element.textContent ?? ''
    }))
  }
  expect([...stops]).toEqual(expect.arrayContaining(['Close', 'Search by name', 'Cancel', 'Create group']))
  expect(stops).not.toContain('behind the dialog')
  const create = button(making, 'Create group')
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
  await focused(field(page))
})

test('wherever the Tab key goes, one sees where one is', async () => {
  const ben = await here.people.person('Ben Tabs')
  const { page } = ben
  await openChat(page, ben.id)
  await say(page, 'a note')
  await mine(page, 'a note').waitFor()
  const seen = new Set<string>()
  for (let i = 0; i < 14; i++) {
    await press(page, 'Tab')
    const { name, visible } = await page.evaluate(() => {
      const element = document.activeElement as HTMLElement
      const marked = (one: Element | null): boolean => {
        if (one === null || one === document.body) return false
        const style = getComputedStyle(one)
        return (style.outlineStyle !== 'none' && style.outlineWidth !== '0px') || style.boxShadow !== 'none'
      }
      return {
        name: element.getAttribute('aria-label') ?? element.textContent ?? element.tagName,
        visible: element === document.body || marked(element) || marked(element.parentElement),
      }
    })
    seen.add(name)
    expect(visible, `the focus is not seen on "${name}"`).toBe(true)
  }
  expect([...seen]).toEqual(expect.arrayContaining(['Account and settings', 'New group', 'Messages', 'Message']))
  await page.context().close()
})

test('no page had an error of its own', () => {
  expect(here.people.complaints).toEqual([])
})
