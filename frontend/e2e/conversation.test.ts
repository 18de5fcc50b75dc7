// Two users, from registration to the deletion of an account. The tests depend on each other, in this order.

import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import {
  PASSWORD,
  button,
  chatRow,
  chooseFromMenu,
  event,
  expectShown,
  field,
  mine,
  send,
  storedTexts,
  theirs,
} from './browsers'
import { useFixture } from './fixture'

const fixture = useFixture()
let ada: Page
let ben: Page

beforeAll(async () => {
  ada = await fixture.browsers.newPage()
  ben = await fixture.browsers.newPage()
})

async function register(page: Page, name: string, username: string): Promise<void> {
  await page.goto('/')
  await page.getByRole('link', { name: 'Create account' }).click()
  await page.getByLabel('Your name').fill(name)
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await button(page, 'Create account').click()
  await page.getByText('No chats yet').waitFor()
}

test('two users register', async () => {
  await register(ada, 'Ada Lovelace', 'ada')
  await register(ben, 'Ben Okri', 'ben')
})

test('a taken username is refused with a message', async () => {
  const page = await fixture.browsers.newPage()
  await page.goto('/register')
  await page.getByLabel('Your name').fill('Another Ada')
  await page.getByLabel('Username').fill('ADA')
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await button(page, 'Create account').click()
  await page.getByText('This username is taken. Choose another one.').waitFor()
  await page.context().close()
})

test('scripts cannot read the session, and it survives a reload', async () => {
  const [cookie] = await ada.context().cookies()
  expect(cookie).toMatchObject({ name: 'parley_session', httpOnly: true, sameSite: 'Strict' })
  expect(await ada.evaluate(() => document.cookie + JSON.stringify({ ...localStorage }))).not.toContain(
    cookie!.value,
  )
  await ada.reload()
  await ada.getByText('No chats yet').waitFor()
})

test('a first message to a found user arrives at once, as unread', async () => {
  await ada.getByLabel('Search chats, people and messages').fill('okri')
  await ada.getByText('@ben').click()
  await send(ada, 'Hello Ben')
  await mine(ada, 'Hello Ben').getByLabel('Sent', { exact: true }).waitFor()
  const row = chatRow(ben, 'Ada Lovelace')
  await row.getByText('Hello Ben').waitFor()
  await row.getByText('1 unread message').waitFor()
  await expect.poll(() => ben.title()).toMatch(/^\(1\)/)
})

test('opening the chat marks it as read for the reader and the sender', async () => {
  await chatRow(ben, 'Ada Lovelace').click()
  await theirs(ben, 'Hello Ben').waitFor()
  await mine(ada, 'Hello Ben').getByLabel('Read', { exact: true }).waitFor()
  await chatRow(ben, 'Ada Lovelace').getByText('1 unread message').waitFor({ state: 'detached' })
})

test('both users see each other online', async () => {
  for (const page of [ada, ben])
    await page.locator('.conversation-head').getByText('online', { exact: true }).waitFor()
})

test('typing is shown in the conversation and in the chat list, and ends with the message', async () => {
  await field(ben).pressSequentially('Hi')
  await ada.locator('.conversation-head').getByText('typing…').waitFor()
  await chatRow(ada, 'Ben Okri').getByText('typing…').waitFor()
  await field(ben).press('Enter')
  await theirs(ada, 'Hi').waitFor()
  await ada.getByText('typing…').first().waitFor({ state: 'detached' })
})

test('Shift+Enter adds a line, Enter sends, and links have no opener', async () => {
  await field(ben).fill('See')
  await field(ben).press('Shift+Enter')
  await field(ben).pressSequentially('https://example.org/a_(b).')
  await field(ben).press('Enter')
  const link = ada.locator('.theirs').getByRole('link', { name: 'https://example.org/a_(b)', exact: true })
  await link.waitFor()
  expect(await link.getAttribute('rel')).toContain('noopener')
  expect(await storedTexts(ada, chatId(ada))).toContain('See\nhttps://example.org/a_(b).')
})

test('an edit arrives and is marked', async () => {
  await ada.getByLabel('Message', { exact: true }).press('ArrowUp')
  await ada.getByLabel('Edit message').fill('Hello dear Ben')
  await ada.getByLabel('Edit message').press('Enter')
  for (const message of [mine(ada, 'Hello dear Ben'), theirs(ben, 'Hello dear Ben')])
    await message.getByText('edited').waitFor()
  await theirs(ben, 'Hello Ben').waitFor({ state: 'detached' })
})

test('a deleted message is replaced by a notice for both users', async () => {
  await send(ada, 'this was a mistake')
  await theirs(ben, 'this was a mistake').waitFor()
  await chooseFromMenu(ada, mine(ada, 'this was a mistake'), 'Delete')
  await button(ada.getByRole('dialog'), 'Delete').click()
  for (const page of [ada, ben]) {
    await page.locator('.message').getByText('This message was deleted').waitFor()
    await expect.poll(() => page.locator('.message, .chat-row').getByText('this was a mistake').count()).toBe(0)
  }
})

test('two tabs of a user show the same: sent, edited and read messages, each once', async () => {
  const tab = await ada.context().newPage()
  await tab.goto(ada.url())
  await mine(tab, 'Hello dear Ben').waitFor()
  await send(tab, 'from the second tab')
  await mine(ada, 'from the second tab').getByLabel('Read', { exact: true }).waitFor()
  await send(ada, 'from the first tab')
  await mine(tab, 'from the first tab').getByLabel('Read', { exact: true }).waitFor()
  await field(ada).press('ArrowUp')
  await field(ada).fill('from the first tab, changed')
  await field(ada).press('Enter')
  await mine(tab, 'from the first tab, changed').waitFor()
  expect(await mine(ada, 'from the second tab').count()).toBe(1)
  expect(await mine(tab, 'from the second tab').count()).toBe(1)

  // With the chat closed in both tabs, reading it in one marks it as read in the other.
  for (const page of [ada, tab]) await page.goto('/')
  await send(ben, 'Read me')
  for (const page of [ada, tab]) await chatRow(page, 'Read me').getByText('1 unread message').waitFor()
  await chatRow(ada, 'Read me').click()
  await chatRow(tab, 'Read me').getByText('1 unread message').waitFor({ state: 'detached' })
  await tab.close()
})

test('a draft is kept with its chat', async () => {
  await field(ada).fill('half a thought')
  await ada.goto('/')
  await chatRow(ada, 'Ben Okri').getByText('half a thought').waitFor()
  await chatRow(ada, 'Ben Okri').click()
  expect(await field(ada).inputValue()).toBe('half a thought')
  await field(ada).fill('')
})

test('notes to self are a chat', async () => {
  await ada.getByLabel('Account and settings').click()
  await ada.getByRole('menuitem', { name: 'Notes to self' }).click()
  await send(ada, 'Buy tea')
  await mine(ada, 'Buy tea').waitFor()
  await chatRow(ada, 'Notes to self').getByText('Buy tea').waitFor()
})

test('a group is created, and its members can write', async () => {
  await button(ada, 'New group').click()
  const dialog = ada.getByRole('dialog', { name: 'New group' })
  await dialog.getByLabel('Group name').fill('The Club')
  await dialog.getByRole('checkbox', { name: 'Ben Okri' }).click()
  await button(dialog, 'Create group').click()
  await event(ada, 'You added Ben Okri').waitFor()
  await chatRow(ben, 'The Club').click()
  await field(ben).fill('Thank you for having me')
  await ada.locator('.conversation-head').getByText('Ben Okri is typing…').waitFor()
  await field(ben).press('Enter')
  await theirs(ada, 'Thank you for having me').getByText('Ben Okri').waitFor()
})

test('a group shows who has read a message', async () => {
  await send(ada, 'Welcome')
  await theirs(ben, 'Welcome').waitFor()
  await mine(ada, 'Welcome').getByLabel('Read', { exact: true }).waitFor()
  await chooseFromMenu(ada, mine(ada, 'Welcome'), 'Read by…')
  const dialog = ada.getByRole('dialog', { name: 'Read by' })
  await dialog.getByText('Ben Okri').waitFor()
  await button(dialog, 'Close').click()
})

test('the owner renames the group, adds a member and removes it', async () => {
  const cem = await fixture.browsers.newUser('Cem Yılmaz')
  await button(ada, 'Details').click()
  const details = ada.getByRole('dialog', { name: 'Group details' })
  await button(details, 'Rename').click()
  await details.getByLabel('Group name').fill('The Tea Club')
  await button(details, 'Save').click()
  await ben.locator('.conversation-name', { hasText: 'The Tea Club' }).waitFor()

  await button(details, 'Add people').click()
  const addPeople = ada.getByRole('dialog', { name: 'Add people' })
  await addPeople.getByLabel('Search by name').fill(cem.username)
  await addPeople.getByRole('checkbox', { name: cem.name }).click()
  await button(addPeople, 'Add').click()
  await event(ben, 'Ada Lovelace added Cem Yılmaz').waitFor()
  await chatRow(cem.page, 'The Tea Club').click()
  await theirs(cem.page, 'Welcome').waitFor()

  await button(details, 'Actions for Cem Yılmaz').click()
  await button(ada.getByRole('dialog', { name: 'Cem Yılmaz' }), 'Remove from the group').click()
  await button(ada.getByRole('dialog', { name: 'Remove Cem Yılmaz?' }), 'Remove').click()
  await event(ben, 'Ada Lovelace removed Cem Yılmaz').waitFor()
  await cem.page.getByText('You are no longer in this chat.').waitFor()
  await chatRow(cem.page, 'The Tea Club').waitFor({ state: 'detached' })
  await button(details, 'Close').click()
  await cem.page.context().close()
})

test('a group disappears for a member who leaves it', async () => {
  await button(ben, 'Details').click()
  await button(ben.getByRole('dialog', { name: 'Group details' }), 'Leave group').click()
  await button(ben.getByRole('dialog', { name: 'Leave this group?' }), 'Leave group').click()
  await event(ada, 'Ben Okri left').waitFor()
  await chatRow(ben, 'The Tea Club').waitFor({ state: 'detached' })
  await send(ada, 'All alone')
  await expectShown(ada, ['Thank you for having me', 'Welcome', 'All alone'])
})

test('others see a new name, and logging out in one tab logs out the others', async () => {
  await ben.keyboard.press('Control+,')
  const settings = ben.getByRole('dialog', { name: 'Profile and settings' })
  await settings.getByLabel('Your name').fill('Benjamin Okri')
  await button(settings, 'Save').first().click()
  await button(settings, 'Saved').waitFor()
  await button(settings, 'Close').click()
  await ada.goto('/')
  await ada.locator('.chat-row-name', { hasText: 'Benjamin Okri' }).waitFor()

  const tab = await ben.context().newPage()
  await tab.goto('/')
  await chatRow(tab, 'Ada Lovelace').waitFor()
  await ben.getByLabel('Account and settings').click()
  await ben.getByRole('menuitem', { name: 'Log out' }).click()
  for (const page of [ben, tab]) await button(page, 'Log in').waitFor()
  await tab.close()
})

test('an account is deleted after a confirmation, and others keep the chats', async () => {
  await ben.getByLabel('Username').fill('ben')
  await ben.getByLabel('Password', { exact: true }).fill('not my password')
  await button(ben, 'Log in').click()
  await ben.getByText('The username or the password is wrong.').waitFor()
  await ben.getByLabel('Password', { exact: true }).fill(PASSWORD)
  await button(ben, 'Log in').click()
  await chatRow(ben, 'Ada Lovelace').waitFor()
  await ben.keyboard.press('Control+,')
  await button(ben, 'Delete my account…').click()
  await ben.getByText('erased for good').waitFor()
  await ben.getByLabel('Type your username').fill('ben')
  await button(ben, 'Delete for good').click()
  await button(ben, 'Log in').waitFor()
  await chatRow(ada, 'Deleted account').click()
  await ada.getByText('This account was deleted.').waitFor()
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})

const chatId = (page: Page) => Number(new URL(page.url()).pathname.split('/').at(-1))
