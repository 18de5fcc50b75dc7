// What the user does without a connection, and what the page shows without one.

import type { BrowserContext, Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import {
  button,
  chatRow,
  chooseFromMenu,
  closeUsers,
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

/** The other side of all chats. Their page is opened once. */
let ben: TestUser
beforeAll(async () => {
  ben = await fixture.browsers.newUser('Ben Okri')
})

/** A new user, with three messages to Ben, who has read them. Both have the chat open. */
async function openAda(): Promise<TestUser> {
  const account = await fixture.browsers.newAccount('Ada Lovelace')
  await fixture.browsers.write(account, ben.id, ['first', 'second', 'third'])
  const ada = await fixture.browsers.open(account, `/c/${ben.id}`)
  await goTo(ben.page, `/c/${ada.id}`)
  await mine(ada.page, 'third').getByLabel('Read', { exact: true }).waitFor()
  return ada
}

/** Goes to another place without a reload. */
const goTo = (page: Page, path: string) => page.evaluate((to) => history.pushState(null, '', to), path)

const API = /\/(users|chats|messages|groups)\b/

/** Makes the server unreachable for the pages that are loaded from now on, but for the files of the page. */
async function cutOff(context: BrowserContext): Promise<() => Promise<void>> {
  let isCut = true
  await context.route(API, (route) => route.abort('internetdisconnected'))
  await context.routeWebSocket(/\/ws$/, (socket) => {
    if (isCut) void socket.close()
    else socket.connectToServer()
  })
  return async () => {
    isCut = false
    await context.unroute(API)
  }
}

/** Waits until what the page shows is in its cache. */
const cached = async (page: Page) => page.waitForTimeout(1_500)

async function edit(page: Page, from: string, to: string): Promise<void> {
  await chooseFromMenu(page, mine(page, from), 'Edit')
  await field(page).fill(to)
  await field(page).press('Enter')
}

async function remove(page: Page, text: string): Promise<void> {
  await chooseFromMenu(page, mine(page, text), 'Delete')
  await button(page.getByRole('dialog'), 'Delete').click()
}

const DELETED = 'This message was deleted'
const waiting = (page: Page, text: string) =>
  page.locator('.mine', { hasText: text }).getByLabel('Waiting to be sent')

/** Waits until the messages on the screen, deleted ones included, are exactly these. */
async function expectAll(page: Page, texts: readonly string[]): Promise<void> {
  const shown = () =>
    page.locator('.message .message-text').evaluateAll((all) => all.map((text) => text.firstChild?.textContent))
  await expect.poll(shown).toEqual(texts)
}

async function storedMods(page: Page, chatId: number): Promise<Record<string, number>> {
  const response = await page.request.get(`/messages/${chatId}?limit=200`)
  const { messages } = (await response.json()) as { messages: { content: string | null; mod: number }[] }
  return Object.fromEntries(messages.map(({ content, mod }) => [content ?? DELETED, mod]))
}

test('what is done offline waits at its message, also over a reload, and is then done once and in order', async () => {
  const ada = await openAda()
  await ada.page.context().setOffline(true)
  await edit(ada.page, 'first', 'first, changed')
  await remove(ada.page, 'second')
  await send(ada.page, 'fourht')
  await edit(ada.page, 'fourht', 'fourth')
  for (const text of ['first, changed', DELETED, 'fourth']) await waiting(ada.page, text).waitFor()
  await expectAll(ada.page, ['first, changed', DELETED, 'third', 'fourth'])
  await cached(ada.page)

  const restore = await cutOff(ada.page.context())
  await ada.page.context().setOffline(false)
  await ada.page.reload()
  for (const text of ['first, changed', DELETED, 'fourth']) await waiting(ada.page, text).waitFor()
  await expectAll(ben.page, ['first', 'second', 'third'])

  await restore()
  for (const page of [ada.page, ben.page]) await expectAll(page, ['first, changed', DELETED, 'third', 'fourth'])
  await waiting(ada.page, 'fourth').waitFor({ state: 'detached' })
  expect(await ada.page.getByLabel('Waiting to be sent').count()).toBe(0)
  expect(await storedMods(ben.page, ada.id)).toEqual({
    third: 3,
    'first, changed': 4,
    [DELETED]: 5,
    fourth: 6,
  })
  await closeUsers(ada)
})

test('a refused change says so at its message, and is tried again or given up', async () => {
  const ada = await openAda()
  const refuse = async (method: string) =>
    ada.page.route(/\/messages\/\d+$/, (route) =>
      route.request().method() === method
        ? route.fulfill({ status: 403, json: { code: 'not_sender' } })
        : route.fallback(),
    )
  const refusal = ada.page.locator('.refusal')

  await refuse('PATCH')
  await edit(ada.page, 'first', 'changed')
  await mine(ada.page, 'changed').getByText('Not changed. Only its sender can change a message.').waitFor()
  // The others are not held up, and the chat is not kept at the top of the list.
  await send(ada.page, 'fourth')
  await theirs(ben.page, 'fourth').waitFor()
  await ada.page.unroute(/\/messages\/\d+$/)
  await button(refusal, 'Try again').click()
  await theirs(ben.page, 'changed').waitFor()
  await refusal.waitFor({ state: 'detached' })

  await refuse('DELETE')
  await remove(ada.page, 'second')
  await mine(ada.page, 'second').getByText('Not deleted.').waitFor()
  await chooseFromMenu(ada.page, mine(ada.page, 'second'), 'Keep message')
  await refusal.waitFor({ state: 'detached' })
  await expectAll(ada.page, ['changed', 'second', 'third', 'fourth'])
  await ada.page.unroute(/\/messages\/\d+$/)

  // The message is deleted by another device while this one is offline: the text is not lost.
  await ada.page.context().setOffline(true)
  await edit(ada.page, 'third', 'a long new text')
  const tab = await fixture.browsers.newPage({ storageState: await ada.page.context().storageState() })
  await openChat(tab, ben.id)
  await remove(tab, 'third')
  await tab.locator('.message').getByText(DELETED).waitFor()
  await ada.page.context().setOffline(false)
  await mine(ada.page, 'a long new text').getByText('Not changed. This message is gone.').waitFor()
  await button(refusal, 'Discard change').click()
  await expectAll(ada.page, ['changed', 'second', DELETED, 'fourth'])
  await tab.context().close()
  await closeUsers(ada)
})

test('a chat with a refused message does not stay at the top of the list', async () => {
  const ada = await openAda()
  await ada.page.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer()
    socket.onMessage((data) => {
      const frame = JSON.parse(String(data)) as { type: string; id: string }
      if (frame.type === 'send') socket.send(JSON.stringify({ type: 'error', id: frame.id, code: 'no_such_chat' }))
      else server.send(data)
    })
  })
  await ada.page.reload()
  await send(ada.page, 'refused')
  await mine(ada.page, 'refused').getByText('Not sent.').waitFor()
  await fixture.browsers.write(await fixture.browsers.newAccount('Cem Yılmaz'), ada.id, ['Hello from Cem'])
  await chatRow(ada.page, 'Hello from Cem').waitFor()
  expect(await ada.page.locator('.chat-row').first().textContent()).toContain('Hello from Cem')
  await closeUsers(ada)
})

test('killed workers lose, double or reorder no edit and no deletion', async () => {
  const ada = await openAda()
  for (const slot of [0, 1] as const) {
    const killed = fixture.server.killWorker(slot)
    await edit(ada.page, slot === 0 ? 'first' : 'changed 0', `changed ${slot}`)
    await send(ada.page, `sent ${slot}`)
    await killed
    await theirs(ben.page, `sent ${slot}`).waitFor()
  }
  const killed = fixture.server.killWorker(0)
  await remove(ada.page, 'second')
  await killed
  const all = ['changed 1', DELETED, 'third', 'sent 0', 'sent 1']
  for (const page of [ada.page, ben.page]) await expectAll(page, all)
  await expect.poll(() => ada.page.getByLabel('Waiting to be sent').count()).toBe(0)
  await closeUsers(ada)
})

test('nothing queued is applied to a restored database, where its ids name other messages', async () => {
  const ada = await openAda()
  await fixture.server.backUpDatabase()
  for (const text of ['lost 1', 'lost 2']) await send(ada.page, text)
  await theirs(ben.page, 'lost 2').waitFor()
  await mine(ada.page, 'lost 2').getByLabel('Read', { exact: true }).waitFor()
  await ada.page.context().setOffline(true)
  await edit(ada.page, 'lost 1', 'lost 1, changed')
  await remove(ada.page, 'lost 2')
  await send(ada.page, 'queued')
  await fixture.server.restoreDatabase()
  await expectAll(ben.page, ['first', 'second', 'third'])
  // These get the ids of the lost ones.
  await fixture.browsers.write(ada, ben.id, ['innocent 1', 'innocent 2'])
  await theirs(ben.page, 'innocent 2').waitFor()
  await ada.page.context().setOffline(false)
  await ada.page.getByText('The server was restored from a backup before a message was deleted.').waitFor()
  const kept = ['first', 'second', 'third', 'innocent 1', 'innocent 2']
  await expectAll(ada.page, [...kept, 'lost 1, changed', 'queued'])
  await mine(ada.page, 'queued').getByText('Not sent. The server was restored from a backup.').waitFor()
  expect(await storedTexts(ben.page, ada.id)).toEqual(kept)
  await button(mine(ada.page, 'queued'), 'Send again').click()
  await theirs(ben.page, 'queued').waitFor()
  await button(mine(ada.page, 'lost 1, changed'), 'Discard').click()
  await expectAll(ada.page, [...kept, 'queued'])
  await closeUsers(ada)
})

test('the page starts without the server from what it has kept, and erases it when the session has ended', async () => {
  const ada = await openAda()
  await cached(ada.page)
  const restore = await cutOff(ada.page.context())
  await ada.page.reload()
  await expectAll(ada.page, ['first', 'second', 'third'])
  await chatRow(ada.page, 'Ben Okri').getByText('third').waitFor()
  await ada.page.getByText('No connection.').waitFor()
  await send(ben.page, 'meanwhile')
  await restore()
  await expectAll(ada.page, ['first', 'second', 'third', 'meanwhile'])

  const token = (await ada.page.context().cookies())[0]!
  await ada.page.context().clearCookies()
  await ada.page.context().addCookies([{ ...token, value: token.value.replace(/.$/, (c) => (c === 'a' ? 'b' : 'a')) }])
  await ada.page.reload()
  await ada.page.getByText('You have been logged out.').waitFor()
  const records = () =>
    ada.page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          const opening = indexedDB.open('parley-cache')
          opening.onsuccess = () => {
            const counting = opening.result.transaction('chats').objectStore('chats').count()
            counting.onsuccess = () => {
              opening.result.close()
              resolve(counting.result)
            }
          }
        }),
    )
  await expect.poll(records).toBe(0)
  await closeUsers(ada)
})

test('without the server a chat opens at its kept messages if the first unread one is not among them', async () => {
  const ada = await openAda()
  await goTo(ada.page, '/')
  await fixture.browsers.write(ben, ada.id, Array.from({ length: 80 }, (_, i) => `text ${i + 1}`))
  await chatRow(ada.page, 'text 80').getByText('80 unread messages').waitFor()
  await cached(ada.page)
  await cutOff(ada.page.context())
  await ada.page.goto(`/c/${ben.id}`)
  await theirs(ada.page, 'text 31').waitFor()
  await chatRow(ada.page, 'text 80').getByText('80 unread messages').waitFor()
  await closeUsers(ada)
})

test('a link to a message that is newer than the cache opens at the message', async () => {
  const ada = await openAda()
  await cached(ada.page)
  await ada.page.goto('about:blank')
  await fixture.browsers.write(ben, ada.id, Array.from({ length: 40 }, (_, i) => `text ${i + 1}`))
  // A slow list: the page shows its cache meanwhile.
  await ada.page.route(/\/chats\?/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await route.continue()
  })
  await ada.page.goto(`/c/${ben.id}/20`)
  await ada.page.locator('.row-highlighted').getByText('text 17', { exact: true }).waitFor()
  await closeUsers(ada)
})

test('behind a proxy that blocks WebSockets the page reads and sends over HTTP', async () => {
  const ada = await openAda()
  await ada.page.routeWebSocket(/\/ws$/, (socket) => void socket.close())
  await ada.page.reload()
  await ada.page.getByText('No live connection.').waitFor()
  await send(ada.page, 'over HTTP')
  await theirs(ben.page, 'over HTTP').waitFor()
  await mine(ada.page, 'over HTTP').getByLabel('Waiting to be sent').waitFor({ state: 'detached' })
  await send(ben.page, 'answer')
  await theirs(ada.page, 'answer').waitFor()
  await mine(ben.page, 'answer').getByLabel('Read', { exact: true }).waitFor()
  expect(await storedTexts(ben.page, ada.id)).toEqual(['first', 'second', 'third', 'over HTTP', 'answer'])
  await closeUsers(ada)
})

test('a read mark that the server cannot store is sent again', async () => {
  const ada = await openAda()
  await ben.page.locator('.chat-row').first().waitFor()
  await goTo(ben.page, '/')
  await send(ada.page, 'unread')
  await chatRow(ben.page, 'unread').getByText('1 unread message').waitFor()
  await fixture.server.stopDatabase()
  await chatRow(ben.page, 'unread').click()
  await theirs(ben.page, 'unread').waitFor()
  await chatRow(ben.page, 'unread').getByText('1 unread message').waitFor({ state: 'detached' })
  expect(await mine(ada.page, 'unread').getByLabel('Read', { exact: true }).count()).toBe(0)
  await fixture.server.startDatabase()
  await mine(ada.page, 'unread').getByLabel('Read', { exact: true }).waitFor()
  await closeUsers(ada)
})

test('the page shows the first 100 chats before it reads the others', async () => {
  const ada = await fixture.browsers.newUser('Ada Lovelace')
  for (let i = 1; i <= 120; i++)
    await ada.page.request.post('/groups/create_group', {
      data: { name: `Group ${i}` },
      headers: { Origin: fixture.server.base },
    })
  const requests: string[] = []
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  await ada.page.route(/\/chats\?/, async (route) => {
    requests.push(route.request().url().split('?')[1]!.split('&after')[0]!)
    if (requests.length > 1) await held
    await route.continue()
  })
  await ada.page.evaluate(() => indexedDB.deleteDatabase('parley-cache'))
  await ada.page.reload()
  await chatRow(ada.page, 'Group 120').waitFor()
  release()
  await ada.page.getByLabel('Search chats, people and messages').fill('Group 2')
  await chatRow(ada.page, 'Group 20').waitFor()
  expect(requests).toEqual(['limit=100', 'limit=200'])
  await closeUsers(ada)
})

test('two tabs do not write into each other’s draft', async () => {
  const ada = await openAda()
  const tab = await ada.page.context().newPage()
  await openChat(tab, ben.id)
  await field(ada.page).fill('from the first tab')
  await field(tab).fill('from the second tab')
  await tab.waitForTimeout(1_000)
  expect(await field(tab).inputValue()).toBe('from the second tab')
  expect(await field(ada.page).inputValue()).toBe('from the first tab')
  await send(tab, 'sent by the second tab')
  await mine(ada.page, 'sent by the second tab').waitFor()
  expect(await field(ada.page).inputValue()).toBe('from the first tab')
  await closeUsers(ada)
})

test('the header does not say "online" while the page is offline', async () => {
  const ada = await openAda()
  const header = ada.page.locator('.conversation-head')
  await header.getByText('online', { exact: true }).waitFor()
  await ada.page.context().setOffline(true)
  await header.getByText('online', { exact: true }).waitFor({ state: 'detached', timeout: 1_000 })
  expect(await header.locator('.presence-dot').count()).toBe(0)
  await ada.page.context().setOffline(false)
  await header.getByText('online', { exact: true }).waitFor()
  await closeUsers(ada)
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
