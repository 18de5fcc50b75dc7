// After any fault, every message is shown once and in order.

import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  chatRow,
  closeUsers,
  expectShown,
  field,
  mine,
  openChat,
  send,
  storedTexts,
  theirs,
  type TestUser,
} from './browsers'
import { useFixture } from './fixture'

const fixture = useFixture()

async function expectStored(ada: TestUser, ben: TestUser, texts: readonly string[]): Promise<void> {
  expect(await storedTexts(ada.page, ben.id)).toEqual(texts)
  expect(await storedTexts(ben.page, ada.id)).toEqual(texts)
}

describe('a user with two open tabs goes offline', () => {
  let ada: TestUser
  let ben: TestUser
  let cem: TestUser
  let tab: Page

  beforeAll(async () => {
    ;[ada, ben] = await fixture.browsers.newPair('first')
    cem = await fixture.browsers.newUser('Cem Yılmaz')
    tab = await ada.page.context().newPage()
    await openChat(tab, ben.id)
    await send(ben.page, 'second')
    for (const page of [ada.page, tab]) await theirs(page, 'second').waitFor()
  })
  afterAll(() => closeUsers(ada, ben, cem))

  test('both tabs show that, and the new messages as waiting', async () => {
    await ada.page.context().setOffline(true)
    for (const page of [ada.page, tab]) {
      await page.getByText('You are offline.').waitFor()
      // The username in place of "online": the page has noticed the lost connection.
      await page.locator('.conversation-head').getByText(`@${ben.username}`).waitFor()
    }
    await send(ada.page, 'tab one')
    await mine(tab, 'tab one').waitFor()
    await send(tab, 'tab two')
    await mine(ada.page, 'tab two').waitFor()
    await send(ada.page, 'tab one again')
    for (const page of [ada.page, tab]) {
      await page.getByText('3 messages are waiting.').waitFor()
      for (const text of ['tab one', 'tab two', 'tab one again'])
        await mine(page, text).getByLabel('Waiting to be sent').waitFor()
    }
  })

  test('what others write and edit meanwhile is not shown', async () => {
    await field(ben.page).press('ArrowUp')
    await field(ben.page).fill('second, changed')
    await field(ben.page).press('Enter')
    await mine(ben.page, 'second, changed').waitFor()
    await send(ben.page, 'while you were away')
    await mine(ben.page, 'while you were away').getByLabel('Sent', { exact: true }).waitFor()
    await openChat(cem.page, ada.id)
    await send(cem.page, 'Hello from Cem')
    await mine(cem.page, 'Hello from Cem').getByLabel('Sent', { exact: true }).waitFor()
    for (const page of [ada.page, tab])
      await expectShown(page, ['first', 'second', 'tab one', 'tab two', 'tab one again'])
    await expectShown(ben.page, ['first', 'second, changed', 'while you were away'])
  })

  test('online again, every tab shows all messages once and in order', async () => {
    await ada.page.context().setOffline(false)
    const all = ['first', 'second, changed', 'while you were away', 'tab one', 'tab two', 'tab one again']
    for (const page of [ada.page, tab, ben.page]) await expectShown(page, all)
    for (const page of [ada.page, tab]) {
      await page.getByText('You are offline.').waitFor({ state: 'detached' })
      await chatRow(page, 'Hello from Cem').getByText('1 unread message').waitFor()
      await mine(page, 'tab one again').getByLabel('Read', { exact: true }).waitFor()
    }
    await expectStored(ada, ben, all)
  })
})

test('killed workers lose, double or reorder no message', async () => {
  const [ada, ben] = await fixture.browsers.newPair('first')
  const all = ['first']
  let n = 0
  const burst = async (user: TestUser) => {
    for (let i = 0; i < 3; i++) {
      all.push(`${user.username} ${++n}`)
      await send(user.page, all.at(-1)!)
    }
  }
  // Kill both workers: each user's socket is on one of them.
  for (const slot of [0, 1] as const) {
    await burst(ada)
    const killed = fixture.server.killWorker(slot)
    await burst(ada)
    await killed
    await theirs(ben.page, all.at(-1)!).waitFor()
    await burst(ben)
    await theirs(ada.page, all.at(-1)!).waitFor()
  }
  await expectShown(ada.page, all)
  await expectShown(ben.page, all)
  await expectStored(ada, ben, all)
  await closeUsers(ada, ben)
})

test('messages written while the database is down wait, also over a reload, and are sent later', async () => {
  const [ada, ben] = await fixture.browsers.newPair('first')
  await fixture.server.stopDatabase()
  await send(ada.page, 'no database 1')
  await send(ada.page, 'no database 2')
  await mine(ada.page, 'no database 2').getByLabel('Waiting to be sent').waitFor()
  await ada.page.reload()
  await fixture.server.startDatabase()
  const all = ['first', 'no database 1', 'no database 2']
  await expectShown(ada.page, all)
  await expectShown(ben.page, all)
  await mine(ada.page, 'no database 2').getByLabel('Read', { exact: true }).waitFor()
  await send(ben.page, 'and back')
  await theirs(ada.page, 'and back').waitFor()
  await expectStored(ada, ben, [...all, 'and back'])
  await closeUsers(ada, ben)
})

test('messages that a restored database lacks disappear without a reload', async () => {
  const [ada, ben] = await fixture.browsers.newPair('first')
  await fixture.server.backUpDatabase()
  for (const text of ['lost 1', 'lost 2']) await send(ada.page, text)
  await theirs(ben.page, 'lost 2').waitFor()
  await mine(ada.page, 'lost 2').getByLabel('Read', { exact: true }).waitFor()
  await fixture.server.restoreDatabase()
  await expectShown(ben.page, ['first'])
  await expectShown(ada.page, ['first'])
  await send(ada.page, 'new')
  await theirs(ben.page, 'new').waitFor()
  await expectShown(ben.page, ['first', 'new'])
  await expectStored(ada, ben, ['first', 'new'])
  await closeUsers(ada, ben)
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
