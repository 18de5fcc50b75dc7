// What was written is shown once and in order, whatever breaks in between.

import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  chatRow,
  expectShown,
  field,
  mine,
  openChat,
  say,
  storedTexts,
  theirs,
  type Person,
} from './people'
import { world } from './world'

const here = world()

/** Two people who have begun to talk, with the chat open in front of both. */
async function pair(): Promise<[Person, Person]> {
  const ada = await here.people.person('Ada Lovelace')
  const ben = await here.people.person('Ben Okri')
  await openChat(ada.page, ben.id)
  await say(ada.page, 'first')
  await openChat(ben.page, ada.id)
  await theirs(ben.page, 'first').waitFor()
  return [ada, ben]
}

async function part(...all: Person[]): Promise<void> {
  for (const { page } of all) await page.context().close()
}

async function expectStored(ada: Person, ben: Person, texts: readonly string[]): Promise<void> {
  expect(await storedTexts(ada.page, ben.id)).toEqual(texts)
  expect(await storedTexts(ben.page, ada.id)).toEqual(texts)
}

describe('one goes offline with two tabs open', () => {
  let ada: Person
  let ben: Person
  let cem: Person
  let tab: Page

  beforeAll(async () => {
    ;[ada, ben] = await pair()
    cem = await here.people.person('Cem Yılmaz')
    tab = await ada.page.context().newPage()
    await openChat(tab, ben.id)
    await say(ben.page, 'second')
    for (const page of [ada.page, tab]) await theirs(page, 'second').waitFor()
  })
  afterAll(() => part(ada, ben, cem))

  test('the page says so, and shows what is written as waiting, in both tabs', async () => {
    await ada.page.context().setOffline(true)
    for (const page of [ada.page, tab]) {
      await page.getByText('You are offline.').waitFor()
      // No longer "online": the page has noticed that the server is away.
      await page.locator('.conversation-head').getByText(`@${ben.username}`).waitFor()
    }
    await say(ada.page, 'tab one')
    await mine(tab, 'tab one').waitFor()
    await say(tab, 'tab two')
    await mine(ada.page, 'tab two').waitFor()
    await say(ada.page, 'tab one again')
    for (const page of [ada.page, tab]) {
      await page.getByText('3 messages are waiting.').waitFor()
      for (const text of ['tab one', 'tab two', 'tab one again'])
        await mine(page, text).getByLabel('Waiting to be sent').waitFor()
    }
  })

  test('meanwhile the others talk and change what they said, and nothing of it is here', async () => {
    await field(ben.page).press('ArrowUp')
    await field(ben.page).fill('second, changed')
    await field(ben.page).press('Enter')
    await mine(ben.page, 'second, changed').waitFor()
    await say(ben.page, 'while you were away')
    await mine(ben.page, 'while you were away').getByLabel('Sent', { exact: true }).waitFor()
    await openChat(cem.page, ada.id)
    await say(cem.page, 'Hello from Cem')
    await mine(cem.page, 'Hello from Cem').getByLabel('Sent', { exact: true }).waitFor()
    for (const page of [ada.page, tab])
      await expectShown(page, ['first', 'second', 'tab one', 'tab two', 'tab one again'])
    await expectShown(ben.page, ['first', 'second, changed', 'while you were away'])
  })

  test('back again, all of it is there in every window, each once and in order', async () => {
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

test('workers are killed under a conversation, and nothing is lost, doubled or out of order', async () => {
  const [ada, ben] = await pair()
  const all = ['first']
  let n = 0
  const burst = async (person: Person) => {
    for (let i = 0; i < 3; i++) {
      all.push(`${person.username} ${++n}`)
      await say(person.page, all.at(-1)!)
    }
  }
  // Both of them: each person's own socket is on one of the two.
  for (const slot of [0, 1] as const) {
    await burst(ada)
    const killed = here.server.killWorker(slot)
    await burst(ada)
    await killed
    await theirs(ben.page, all.at(-1)!).waitFor()
    await burst(ben)
    await theirs(ada.page, all.at(-1)!).waitFor()
  }
  await expectShown(ada.page, all)
  await expectShown(ben.page, all)
  await expectStored(ada, ben, all)
  await part(ada, ben)
})

test('the database goes away: what is written waits, over a reload too, and is sent when it is back', async () => {
  const [ada, ben] = await pair()
  await here.server.stopDatabase()
  await say(ada.page, 'no database 1')
  await say(ada.page, 'no database 2')
  await mine(ada.page, 'no database 2').getByLabel('Waiting to be sent').waitFor()
  await ada.page.reload()
  await here.server.startDatabase()
  const all = ['first', 'no database 1', 'no database 2']
  await expectShown(ada.page, all)
  await expectShown(ben.page, all)
  await mine(ada.page, 'no database 2').getByLabel('Read', { exact: true }).waitFor()
  await say(ben.page, 'and back')
  await theirs(ada.page, 'and back').waitFor()
  await expectStored(ada, ben, [...all, 'and back'])
  await part(ada, ben)
})

test('no page broke its content security policy, or had an error of its own', () => {
  expect(here.people.complaints).toEqual([])
})
