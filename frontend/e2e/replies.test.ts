// Replies, threads and forwards, with two users.

import type { Locator, Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import {
  PHONE,
  button,
  chatRow,
  chooseFromMenu,
  closeUsers,
  field,
  mine,
  openChat,
  send,
  theirs,
  type TestUser,
} from './browsers'
import { useFixture } from './fixture'

const fixture = useFixture()

const quote = (message: Locator) => message.locator('.quote')
const replyBar = (page: Page) => page.locator('.conversation .composer-edit')
const thread = (page: Page) => page.getByRole('complementary', { name: 'Thread' })
const inThread = (page: Page, text: string) =>
  thread(page).locator('.message').filter({ has: page.getByText(text, { exact: true }) })

/** Replies to a message by its menu. */
async function reply(page: Page, to: Locator, text: string): Promise<void> {
  await chooseFromMenu(page, to, 'Reply')
  await send(page, text)
}

/** Sends messages over HTTP, one after the other. */
async function post(from: TestUser, to: number, ...texts: string[]): Promise<void> {
  for (const content of texts) {
    const answer = await from.page.request.post('/messages/send_message', {
      headers: { Origin: fixture.server.base },
      data: { receiver_id: to, content },
    })
    expect(answer.status(), await answer.text()).toBe(201)
  }
}

test('a reply shows what it answers, on both sides, and follows its edit and deletion', async () => {
  const [ada, ben] = await fixture.browsers.newPair('Is anybody here?')
  await chooseFromMenu(ben.page, theirs(ben.page, 'Is anybody here?'), 'Reply')
  await replyBar(ben.page).getByText('Reply to Ada Lovelace').waitFor()
  await send(ben.page, 'I am')
  await replyBar(ben.page).waitFor({ state: 'detached' })

  for (const answer of [mine(ben.page, 'I am'), theirs(ada.page, 'I am')])
    await quote(answer).getByText('Is anybody here?').waitFor()
  await quote(theirs(ada.page, 'I am')).getByText('You', { exact: true }).waitFor()
  await mine(ada.page, 'Is anybody here?').getByText('1 reply').waitFor()

  await chooseFromMenu(ada.page, mine(ada.page, 'Is anybody here?'), 'Edit')
  await field(ada.page).fill('Is somebody here?')
  await field(ada.page).press('Enter')
  for (const answer of [mine(ben.page, 'I am'), theirs(ada.page, 'I am')])
    await quote(answer).getByText('Is somebody here?').waitFor()
  await chooseFromMenu(ada.page, mine(ada.page, 'Is somebody here?'), 'Delete')
  await button(ada.page.getByRole('dialog'), 'Delete').click()
  await quote(mine(ben.page, 'I am')).getByText('This message was deleted').waitFor()
  await ben.page.reload()
  await quote(mine(ben.page, 'I am')).getByText('This message was deleted').waitFor()
  await closeUsers(ada, ben)
})

test('the target of a reply is kept over a reload, and Escape gives it up', async () => {
  const [ada, ben] = await fixture.browsers.newPair('first', 'second')
  await chooseFromMenu(ben.page, theirs(ben.page, 'first'), 'Reply')
  await field(ben.page).fill('half written')
  await ben.page.reload()
  await replyBar(ben.page).getByText('first').waitFor()
  await field(ben.page).press('Escape')
  await replyBar(ben.page).waitFor({ state: 'detached' })
  await field(ben.page).press('Enter')
  await theirs(ada.page, 'half written').waitFor()
  expect(await quote(theirs(ada.page, 'half written')).count()).toBe(0)
  await closeUsers(ada, ben)
})

test('a reply that waits for the connection survives a reload', async () => {
  const [ada, ben] = await fixture.browsers.newPair('asked')
  await ben.page.waitForTimeout(1_500) // the cache is written
  const offline = /\/(users|chats|messages|groups)\b/
  await ben.page.context().route(offline, (route) => route.abort('internetdisconnected'))
  let isCut = true
  await ben.page.context().routeWebSocket(/\/ws$/, (socket) => {
    if (isCut) void socket.close()
    else socket.connectToServer()
  })
  await ben.page.reload()
  await theirs(ben.page, 'asked').waitFor()
  await reply(ben.page, theirs(ben.page, 'asked'), 'answer')
  await mine(ben.page, 'answer').getByLabel('Waiting to be sent').waitFor()
  await quote(mine(ben.page, 'answer')).getByText('asked').waitFor()

  isCut = false
  await ben.page.context().unroute(offline)
  await ben.page.reload()
  await quote(theirs(ada.page, 'answer')).getByText('asked').waitFor()
  await mine(ben.page, 'answer').getByLabel(/^(Sent|Read)$/).waitFor()
  await quote(mine(ben.page, 'answer')).getByText('asked').waitFor()
  await closeUsers(ada, ben)
})

test('a quote leads to its message, also one that is not loaded', async () => {
  const [ada, ben] = await fixture.browsers.newPair('the first of all')
  await post(ada, ben.id, ...Array.from({ length: 90 }, (_, n) => `filler ${n}`))
  const { messages } = (await (await ben.page.request.get(`/messages/${ada.id}?after=0&limit=1`)).json()) as {
    messages: { message_id: number }[]
  }
  const answer = await ben.page.request.post('/messages/send_message', {
    headers: { Origin: fixture.server.base },
    data: { receiver_id: ada.id, content: 'late answer', reply_to: messages[0]!.message_id },
  })
  expect(answer.status()).toBe(201)
  await openChat(ada.page, ben.id)
  await theirs(ada.page, 'late answer').waitFor()
  expect(await mine(ada.page, 'the first of all').count()).toBe(0)
  await quote(theirs(ada.page, 'late answer')).click()
  await ada.page.locator('.row-highlighted').filter({ has: mine(ada.page, 'the first of all') }).waitFor()
  await closeUsers(ada, ben)
})

test('with the keyboard R replies to the chosen message', async () => {
  const [ada, ben] = await fixture.browsers.newPair('one', 'two')
  await field(ben.page).press('Shift+Tab')
  await ben.page.keyboard.press('ArrowUp')
  await ben.page.keyboard.press('ArrowUp')
  await ben.page.keyboard.press('r')
  await replyBar(ben.page).getByText('one').waitFor()
  await expect.poll(() => ben.page.evaluate(() => document.activeElement?.id)).toBe('composer')
  await closeUsers(ada, ben)
})

test('a thread beside the chat has its replies alone, and gets new ones', async () => {
  const [ada, ben] = await fixture.browsers.newPair('topic', 'something else')
  await reply(ben.page, theirs(ben.page, 'topic'), 'first answer')
  await mine(ada.page, 'topic').getByText('1 reply').click()
  await inThread(ada.page, 'topic').waitFor()
  await inThread(ada.page, 'first answer').waitFor()
  expect(await inThread(ada.page, 'something else').count()).toBe(0)

  const answer = thread(ada.page).getByLabel('Reply in the thread')
  await expect.poll(() => answer.evaluate((element) => element === document.activeElement)).toBe(true)
  await answer.fill('second answer')
  await answer.press('Enter')
  await inThread(ada.page, 'second answer').waitFor()
  await quote(theirs(ben.page, 'second answer')).getByText('topic').waitFor()
  await reply(ben.page, theirs(ben.page, 'second answer'), 'third answer')
  await inThread(ada.page, 'third answer').waitFor()
  await mine(ada.page, 'topic').getByText('2 replies').waitFor()
  await quote(inThread(ada.page, 'third answer')).getByText('second answer').waitFor()

  await ada.page.keyboard.press('Escape')
  await thread(ada.page).waitFor({ state: 'detached' })
  await expect.poll(() => ada.page.evaluate(() => document.activeElement?.id)).toBe('composer')
  await closeUsers(ada, ben)
})

test('a message is forwarded to several chats, with the name of its author', async () => {
  const [ada, ben] = await fixture.browsers.newPair('worth reading')
  const fay = await fixture.browsers.newUser('Fay Weldon')
  await openChat(fay.page, ben.id)
  await send(fay.page, 'hello')
  await chatRow(ben.page, 'Fay Weldon').waitFor()

  await chooseFromMenu(ben.page, theirs(ben.page, 'worth reading'), 'Forward')
  const dialog = ben.page.getByRole('dialog', { name: 'Forward message' })
  await dialog.getByRole('checkbox', { name: 'Fay Weldon' }).click()
  await dialog.getByRole('checkbox', { name: 'Ada Lovelace' }).click()
  await button(dialog, 'Forward').click()
  await ben.page.getByText('Forwarded to 2 chats').waitFor()

  const copy = theirs(fay.page, 'worth reading')
  await copy.getByText('Forwarded from Ada Lovelace').waitFor()
  await theirs(ada.page, 'worth reading').getByText('Forwarded from').waitFor()
  await mine(ben.page, 'worth reading').getByLabel(/^(Sent|Read)$/).waitFor()
  // A forward is its author's text.
  await mine(ben.page, 'worth reading').hover()
  await mine(ben.page, 'worth reading').getByLabel('Message actions').click()
  await ben.page.getByRole('menuitem', { name: 'Delete' }).waitFor()
  expect(await ben.page.getByRole('menuitem', { name: 'Edit' }).count()).toBe(0)
  await closeUsers(ada, ben, fay)
})

describe('on a phone', () => {
  /** Moves a finger from the middle of an element, in steps as a hand does. */
  async function swipe(page: Page, element: Locator, dx: number, dy = 0): Promise<void> {
    const box = (await element.boundingBox())!
    const from = { x: box.x + box.width / 2, y: box.y + box.height / 2 }
    const touch = await page.context().newCDPSession(page)
    const at = (part: number) => [{ x: from.x + dx * part, y: from.y + dy * part }]
    await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: at(0) })
    for (let step = 1; step <= 10; step++)
      await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: at(step / 10) })
    await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] })
    await touch.detach()
  }

  test('a swipe replies, a short one does not, and a thread covers the chat', async () => {
    const ada = await fixture.browsers.newUser('Ada Lovelace')
    const ben = await fixture.browsers.newUser('Ben Okri', PHONE)
    await openChat(ada.page, ben.id)
    await send(ada.page, 'swipe me')
    await openChat(ben.page, ada.id)
    const bubble = theirs(ben.page, 'swipe me').locator('.bubble')
    await bubble.waitFor()
    await swipe(ben.page, bubble, 30)
    await swipe(ben.page, bubble, 10, 90)
    expect(await replyBar(ben.page).count()).toBe(0)
    await swipe(ben.page, bubble, 90)
    await replyBar(ben.page).getByText('swipe me').waitFor()
    await send(ben.page, 'swiped')
    await quote(theirs(ada.page, 'swiped')).waitFor()
    await theirs(ben.page, 'swipe me').getByText('1 reply').click()
    await inThread(ben.page, 'swiped').waitFor()
    expect(await ben.page.locator('.conversation').isVisible()).toBe(false)
    await expect
      .poll(() => ben.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      .toBe(true)

    // What arrives behind the thread is not read.
    await send(ada.page, 'not seen')
    await mine(ada.page, 'not seen').getByLabel('Sent', { exact: true }).waitFor()
    await ben.page.goBack()
    await thread(ben.page).waitFor({ state: 'detached' })
    await mine(ada.page, 'not seen').getByLabel('Read', { exact: true }).waitFor()
    await closeUsers(ada, ben)
  })
})
