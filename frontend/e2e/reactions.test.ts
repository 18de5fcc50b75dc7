// Reactions and pinned messages, with two people.

import type { Locator, Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { PHONE, button, chooseFromMenu, closeUsers, mine, openChat, openNewest, send, theirs } from './browsers'
import { useFixture } from './fixture'

const fixture = useFixture()

/** The reactions to a message, as "emoji count", with a star for the own ones. */
async function expectReactions(message: Locator, expected: readonly string[]): Promise<void> {
  const shown = () =>
    message
      .locator('.reaction[aria-pressed]')
      .evaluateAll((all) =>
        all.map((one) => `${one.textContent}${one.getAttribute('aria-pressed') === 'true' ? '*' : ''}`),
      )
  await expect.poll(shown).toEqual(expected)
}

async function openMenu(page: Page, message: Locator): Promise<Locator> {
  await message.hover()
  await message.getByLabel('Message actions').click()
  return page.getByRole('menu')
}

/** Presses an emoji in the menu of a message. */
async function react(page: Page, message: Locator, emoji: string): Promise<void> {
  const menu = await openMenu(page, message)
  await menu.getByRole('menuitemcheckbox', { name: emoji, exact: true }).click()
}

const pins = (page: Page) => page.getByRole('region', { name: 'Pinned messages' })
const dialog = (page: Page) => page.getByRole('dialog')

test('a reaction from the menu is seen by both, counted, and taken back', async () => {
  const [ada, ben] = await fixture.browsers.newPair('first', 'second')
  await react(ben.page, theirs(ben.page, 'first'), '👍')
  await expectReactions(theirs(ben.page, 'first'), ['👍 1*'])
  await expectReactions(mine(ada.page, 'first'), ['👍 1'])

  // A click on what is there joins in.
  await mine(ada.page, 'first').locator('.reaction[aria-pressed]').click()
  await expectReactions(theirs(ben.page, 'first'), ['👍 2*'])
  await react(ada.page, mine(ada.page, 'first'), '❤')
  await expectReactions(theirs(ben.page, 'first'), ['👍 2*', '❤ 1'])
  await mine(ada.page, 'first').getByRole('button', { name: '👍 by Ben Okri, You' }).waitFor()

  await chooseFromMenu(ben.page, theirs(ben.page, 'first'), 'Who reacted…')
  await expect
    .poll(() => dialog(ben.page).locator('.person-name').allTextContents())
    .toEqual(['Ben Okri', 'Ada Lovelace', 'Ada Lovelace'])
  await button(dialog(ben.page), 'Close').click()

  await react(ben.page, theirs(ben.page, 'first'), '👍')
  await expectReactions(mine(ada.page, 'first'), ['👍 1*', '❤ 1*'])
  await ben.page.reload()
  await expectReactions(theirs(ben.page, 'first'), ['👍 1', '❤ 1'])
  expect(await theirs(ben.page, 'second').locator('.reaction').count()).toBe(0)
  await closeUsers(ada, ben)
})

test('the picker finds an emoji by its name, with a skin tone, and remembers it', async () => {
  const [ada, ben] = await fixture.browsers.newPair('hello')
  const hello = theirs(ben.page, 'hello')
  const openPicker = async () => {
    await (await openMenu(ben.page, hello)).getByRole('menuitemcheckbox', { name: 'Add a reaction' }).click()
    await dialog(ben.page).getByLabel('Search emoji').waitFor()
  }
  await openPicker()
  await dialog(ben.page).getByRole('gridcell', { name: 'grinning face', exact: true }).waitFor()
  await dialog(ben.page).getByRole('combobox', { name: 'Skin tone' }).selectOption('dark')
  await dialog(ben.page).getByLabel('Search emoji').fill('waving hand')
  await dialog(ben.page).getByRole('gridcell', { name: 'waving hand', exact: true }).click()
  await expectReactions(mine(ada.page, 'hello'), ['👋🏿 1'])

  await openPicker()
  await dialog(ben.page).getByLabel('Search emoji').fill('avocado')
  await dialog(ben.page).getByRole('gridcell', { name: 'avocado', exact: true }).waitFor()
  await ben.page.keyboard.press('Enter')
  await expectReactions(mine(ada.page, 'hello'), ['👋🏿 1', '🥑 1'])

  await openPicker()
  const recent = dialog(ben.page).getByRole('region', { name: 'Recently used' })
  expect(await recent.getByRole('button').allTextContents()).toEqual(['🥑', '👋🏿'])
  await recent.getByRole('button', { name: '🥑' }).click()
  await expectReactions(mine(ada.page, 'hello'), ['👋🏿 1'])
  expect(fixture.browsers.violations).toEqual([])
  await closeUsers(ada, ben)
})

test('a reaction made offline is shown at once, and sent later', async () => {
  const [ada, ben] = await fixture.browsers.newPair('hello')
  await react(ben.page, theirs(ben.page, 'hello'), '👍')
  await expectReactions(mine(ada.page, 'hello'), ['👍 1'])
  await ben.page.context().setOffline(true)
  await react(ben.page, theirs(ben.page, 'hello'), '👍')
  await react(ben.page, theirs(ben.page, 'hello'), '😂')
  await expectReactions(theirs(ben.page, 'hello'), ['😂 1*'])
  await expectReactions(mine(ada.page, 'hello'), ['👍 1'])
  await ben.page.context().setOffline(false)
  await expectReactions(mine(ada.page, 'hello'), ['😂 1'])
  await expectReactions(theirs(ben.page, 'hello'), ['😂 1*'])
  await closeUsers(ada, ben)
})

test('a pinned message stays above the conversation of both, and a click goes there', async () => {
  const [ada, ben] = await fixture.browsers.newPair('the plan')
  await chooseFromMenu(ben.page, theirs(ben.page, 'the plan'), 'Pin')
  for (const { page } of [ada, ben]) await pins(page).getByText('the plan').waitFor()
  const headers = { Origin: fixture.server.base }
  for (let i = 0; i < 40; i++) {
    const data = { receiver_id: ben.id, content: `text ${i}` }
    expect((await ada.page.request.post('/messages/send_message', { data, headers })).status()).toBe(201)
  }
  await openNewest(ben.page, ada.id, 'text 39')
  await theirs(ben.page, 'the plan').waitFor({ state: 'detached' })
  await pins(ben.page).getByRole('button', { name: /Go to pinned message/ }).click()
  await theirs(ben.page, 'the plan').waitFor()

  await openNewest(ben.page, ada.id, 'text 39')
  await chooseFromMenu(ben.page, theirs(ben.page, 'text 39'), 'Pin')
  for (const { page } of [ada, ben]) await pins(page).getByText('Pinned message 1 of 2').waitFor()
  await pins(ada.page).getByText('text 39').waitFor()
  await openNewest(ben.page, ada.id, 'text 39')
  await chooseFromMenu(ben.page, theirs(ben.page, 'text 39'), 'Unpin')
  for (const { page } of [ada, ben]) await pins(page).getByText('the plan').waitFor()
  await button(pins(ada.page), 'Unpin').click()
  for (const { page } of [ada, ben]) await pins(page).waitFor({ state: 'detached' })
  await closeUsers(ada, ben)
})

test('reacting works by the keyboard and on a phone', async () => {
  const [ada, ben] = await fixture.browsers.newPair('hello')
  await ben.page.locator('#composer').focus()
  await ben.page.keyboard.press('Shift+Tab')
  await ben.page.keyboard.press('ArrowUp')
  await ben.page.keyboard.press('Enter')
  await ben.page.getByRole('menuitemcheckbox', { name: '👍' }).waitFor()
  await ben.page.keyboard.press('Enter')
  await expectReactions(mine(ada.page, 'hello'), ['👍 1'])

  const phone = await fixture.browsers.newUser('Cem', PHONE)
  await openChat(phone.page, ada.id)
  await send(phone.page, 'from a phone')
  await react(phone.page, mine(phone.page, 'from a phone'), '👍')
  await expectReactions(mine(phone.page, 'from a phone'), ['👍 1*'])
  const size = await phone.page.locator('.reaction[aria-pressed]').boundingBox()
  expect(Math.min(size!.width, size!.height)).toBeGreaterThanOrEqual(44)
  const overflow = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  expect(overflow).toBeLessThanOrEqual(0)
  await closeUsers(ada, ben, phone)
})
