// Where a chat opens, what counts as read, links to messages, and unread counts.

import type { Page } from 'playwright-core'
import { beforeAll, expect, test } from 'vitest'
import { button, chatRow, openChat, send, theirs, type Account, type TestUser } from './browsers'
import { useFixture } from './fixture'

const fixture = useFixture()
let reader: TestUser
let other: TestUser

beforeAll(async () => {
  reader = await fixture.browsers.newUser('Rea Reader')
  other = await fixture.browsers.newUser('Otto Other')
})

/** Sends texts in this order, over a socket of its own. */
async function write({ token }: Account, to: number, texts: readonly string[]): Promise<void> {
  await other.page.evaluate(
    ({ token, to, texts }) =>
      new Promise<void>((resolve) => {
        const url = `${location.origin.replace('http', 'ws')}/ws`
        const socket = new WebSocket(url, ['parley.v1', `bearer.${token}`])
        let acks = 0
        socket.onmessage = ({ data }) => {
          const { type } = JSON.parse(data as string) as { type: string }
          if (type === 'ready')
            for (const content of texts)
              socket.send(JSON.stringify({ type: 'send', id: crypto.randomUUID(), receiver_id: to, content }))
          if (type !== 'ack' || ++acks < texts.length) return
          socket.close()
          resolve()
        }
      }),
    { token, to, texts },
  )
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `text ${from + i}`)

/** Another user, who has written texts to the reader. The reader's page shows the list. */
async function writer(name: string, texts: readonly string[]): Promise<Account> {
  const user = await fixture.browsers.newAccount(name)
  await write(user, reader.id, texts)
  await reader.page.goto('/')
  await chatRow(reader.page, name).waitFor()
  return user
}

/** The chat as the server has it. */
async function stored(page: Page, chatId: number): Promise<{ read_seq: number; unread: number }> {
  const { chats } = (await (await page.request.get('/chats')).json()) as {
    chats: { chat_id: number; read_seq: number; unread: number }[]
  }
  return chats.find((chat) => chat.chat_id === chatId)!
}

/** The seqs of the messages on the screen, and of those whose end is on it. */
function onScreen(page: Page): Promise<{ shown: number[]; ended: number[]; top: number }> {
  return page.evaluate(() => {
    const list = document.querySelector('.messages')!
    const frame = list.getBoundingClientRect()
    const rows = [...list.querySelectorAll<HTMLElement>('.row[data-seq]')]
      .map((row) => ({ seq: Number(row.dataset.seq), box: row.getBoundingClientRect() }))
      .filter(({ box }) => box.bottom > frame.top && box.top < frame.bottom)
    return {
      shown: rows.map(({ seq }) => seq),
      ended: rows.filter(({ box }) => box.bottom <= frame.bottom + 2).map(({ seq }) => seq),
      top: rows.length > 0 ? Math.round(rows[0]!.box.top - frame.top) : 0,
    }
  })
}

/** Waits until nothing moves any more, and until a read mark would have been stored. */
async function settled(page: Page): Promise<void> {
  const position = async () => JSON.stringify(await onScreen(page))
  for (let before = ''; before !== (before = await position()); ) await page.waitForTimeout(200)
  await page.waitForTimeout(100)
}

const wheel = async (page: Page, by: number) => {
  await page.locator('.messages').hover()
  await page.mouse.wheel(0, by)
}
const newest = (page: Page) => page.locator('.jump')
const divider = (page: Page) => page.locator('.unread-line')

test('499 unread: the chat opens at the first, and only what was on the screen is read', async () => {
  const { page } = reader
  const ben = await writer('Ben Okri', ['text 1'])
  await chatRow(page, 'Ben Okri').click()
  await expect.poll(async () => (await stored(page, ben.id)).read_seq).toBe(1)
  await page.goto('/')
  await write(ben, reader.id, numbered(2, 500))
  await chatRow(page, 'Ben Okri').getByText('499 unread messages').waitFor()
  await chatRow(page, 'Ben Okri').click()
  await theirs(page, 'text 2').waitFor()
  await settled(page)
  const first = await onScreen(page)
  expect(first.shown).toContain(1)
  expect(first.shown.length).toBeLessThan(30)
  const read = first.ended.at(-1)!
  expect(await stored(page, ben.id)).toMatchObject({ read_seq: read, unread: 500 - read })
  await divider(page).waitFor()

  // The newest ones are seen, those before them are not.
  await newest(page).click()
  await theirs(page, 'text 500').waitFor()
  await settled(page)
  expect((await onScreen(page)).ended).toContain(500)
  expect(await stored(page, ben.id)).toMatchObject({ read_seq: read, unread: 500 - read })

  await page.getByRole('button', { name: `${500 - read} unread messages` }).click()
  await theirs(page, `text ${read + 1}`).waitFor()
  await settled(page)
  expect((await onScreen(page)).shown).toContain(read + 1)
  await newest(page).click()
  await button(page, 'Mark all as read').click()
  await expect.poll(async () => stored(page, ben.id)).toMatchObject({ read_seq: 500, unread: 0 })
})

test('15 unread of 16 KB: a message higher than the screen is read when its end was on the screen', async () => {
  const { page } = reader
  const long = (n: number) => `${n} ${'Sphinx of black quartz, judge my vow.\n'.repeat(430)}`.slice(0, 16_000)
  const cem = await writer('Cem Long', ['short', ...Array.from({ length: 15 }, (_, i) => long(i + 2))])
  await page.setViewportSize({ width: 1280, height: 480 })
  await chatRow(page, 'Cem Long').click()
  await theirs(page, 'short').waitFor()
  await settled(page)
  expect((await onScreen(page)).ended).toEqual([1])
  expect(await stored(page, cem.id)).toMatchObject({ read_seq: 1, unread: 15 })
  for (let end = 1; end < 3; end = Math.max(end, ...(await onScreen(page)).ended)) {
    await wheel(page, 250)
    await page.waitForTimeout(50)
  }
  await settled(page)
  expect(await stored(page, cem.id)).toMatchObject({ read_seq: 3, unread: 13 })
  await page.setViewportSize({ width: 1280, height: 800 })
})

test('60 messages that came while the window was not focused are not read', async () => {
  const { page } = reader
  const dana = await writer('Dana Away', numbered(1, 20))
  await chatRow(page, 'Dana Away').click()
  await theirs(page, 'text 1').waitFor()
  await settled(page)
  for (let end = 0; end < 20; end = (await onScreen(page)).ended.at(-1) ?? 0) {
    await wheel(page, 300)
    await page.waitForTimeout(50)
  }
  await expect.poll(async () => (await stored(page, dana.id)).read_seq).toBe(20)
  await page.evaluate(() => {
    document.hasFocus = () => false
  })
  await write(dana, reader.id, numbered(21, 80))
  await chatRow(page, 'Dana Away').getByText('60 unread messages').waitFor()
  await settled(page)
  expect((await stored(page, dana.id)).read_seq).toBe(20)
  // The first of them is still on the screen.
  expect((await onScreen(page)).shown).toContain(21)
  await divider(page).waitFor()
  await page.evaluate(() => {
    document.hasFocus = () => true
    dispatchEvent(new Event('focus'))
  })
  await settled(page)
  const { ended } = await onScreen(page)
  expect(ended).toContain(21)
  expect(ended).not.toContain(80)
  expect((await stored(page, dana.id)).read_seq).toBe(ended.at(-1))
})

test('an answer in the middle of 150 unread messages neither moves the list nor drops the divider', async () => {
  const { page } = reader
  const eve = await writer('Eve Many', numbered(1, 150))
  await chatRow(page, 'Eve Many').click()
  await theirs(page, 'text 1').waitFor()
  await settled(page)
  const before = await onScreen(page)
  await send(page, 'an answer')
  await expect.poll(async () => (await stored(page, eve.id)).read_seq).toBe(151)
  await settled(page)
  expect(await onScreen(page)).toEqual(before)
  await divider(page).waitFor()
  await newest(page).click()
  await page.locator('.mine', { hasText: 'an answer' }).waitFor()
})

test('a chat of three messages is read when it is opened again, without scroll or focus', async () => {
  const { page } = reader
  const fay = await writer('Fay Short', ['one', 'two'])
  await chatRow(page, 'Fay Short').click()
  await theirs(page, 'two').waitFor()
  await expect.poll(async () => (await stored(page, fay.id)).unread).toBe(0)
  await chatRow(page, 'Ben Okri').click()
  await page.locator('.conversation-name', { hasText: 'Ben Okri' }).waitFor()
  await write(fay, reader.id, ['three'])
  await chatRow(page, 'Fay Short').getByText('1 unread message').waitFor()
  await chatRow(page, 'Fay Short').click()
  await theirs(page, 'three').waitFor()
  await expect.poll(async () => stored(page, fay.id)).toMatchObject({ read_seq: 3, unread: 0 })
  await chatRow(page, 'Fay Short').getByText('1 unread message').waitFor({ state: 'detached' })
  expect(await newest(page).count()).toBe(0)
})

test('a link opens a chat at a message, also in the open chat; an unknown seq at the nearest', async () => {
  const { page } = reader
  const ben = await idOf('Ben Okri')
  await page.goto(`/c/${ben}/250`)
  await page.locator('.row-highlighted', { hasText: 'text 250' }).waitFor()
  expect(new URL(page.url()).pathname).toBe(`/c/${ben}`)
  await page.locator('.row-highlighted').waitFor({ state: 'detached' })
  for (const [seq, text] of [[400, 'text 400'], [245, 'text 245'], [245, 'text 245'], [99_999, 'text 500']] as const) {
    await page.evaluate((path) => history.pushState(null, '', path), `/c/${ben}/${seq}`)
    await page.locator('.row-highlighted').getByText(text, { exact: true }).waitFor()
    await settled(page)
    expect((await onScreen(page)).shown).toContain(Math.min(seq, 500))
  }
})

test('the floating date is hidden while the separator of its day is on the screen', async () => {
  const { page } = reader
  const ben = await idOf('Ben Okri')
  await page.goto(`/c/${ben}/250`)
  await theirs(page, 'text 250').waitFor()
  await settled(page)
  await wheel(page, -333)
  await page.locator('.floating-date:not(.floating-date-hidden)').waitFor()
  await page.goto(`/c/${ben}/1`)
  await theirs(page, 'text 1').waitFor()
  await settled(page)
  await wheel(page, 10)
  await settled(page)
  expect(await page.locator('.day').count()).toBe(1)
  expect(await page.locator('.floating-date:not(.floating-date-hidden)').count()).toBe(0)
})

test('the place is kept over a switch and a reload, and erased at log-out', async () => {
  const { page } = reader
  const ben = await idOf('Ben Okri')
  await page.goto(`/c/${ben}/250`)
  await theirs(page, 'text 250').waitFor()
  await settled(page)
  await wheel(page, -333)
  await settled(page)
  const place = await onScreen(page)
  const expectPlace = async () => {
    await theirs(page, `text ${place.shown[0]}`).waitFor()
    await settled(page)
    const { shown, top } = await onScreen(page)
    expect(shown).toEqual(place.shown)
    expect(Math.abs(top - place.top)).toBeLessThanOrEqual(2)
  }
  await chatRow(page, 'Fay Short').click()
  await theirs(page, 'three').waitFor()
  await chatRow(page, 'Ben Okri').click()
  await expectPlace()
  await page.reload()
  await expectPlace()
})

test('pages are loaded in both directions, and the messages stay without a gap', async () => {
  const { page } = reader
  const first = async () => (await onScreen(page)).shown[0] ?? 0
  const rendered = () =>
    page.locator('.row[data-seq]').evaluateAll((rows) => rows.map((row) => Number((row as HTMLElement).dataset.seq)))
  const expectNoGap = async () => {
    const seqs = await rendered()
    expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i))
  }
  while ((await first()) > 100) {
    await wheel(page, -700)
    await page.waitForTimeout(30)
    await expectNoGap()
  }
  while ((await first()) < 350) {
    await wheel(page, 700)
    await page.waitForTimeout(30)
    await expectNoGap()
  }
  await newest(page).click()
  await theirs(page, 'text 500').waitFor()
  await settled(page)
  await expectNoGap()
})

test('the unread count follows deletions as the server counts', async () => {
  const { page } = reader
  const gus = await writer('Gus Gone', ['hello'])
  await chatRow(page, 'Gus Gone').click()
  await expect.poll(async () => (await stored(page, gus.id)).unread).toBe(0)
  await page.goto('/')
  await chatRow(page, 'Gus Gone').waitFor()
  const unread = async () => {
    const [badge] = await chatRow(page, 'Gus Gone').locator('.badge > [aria-hidden]').allTextContents()
    return Number(badge ?? 0)
  }
  const expectUnread = async (n: number) => {
    await expect.poll(unread).toBe(n)
    expect((await stored(page, gus.id)).unread).toBe(n)
  }
  await expectUnread(0) // The cache may be from before the reading.
  const base = Number(/\((\d+)\)/.exec(await page.title())?.[1] ?? 0)
  const messageIds = async () => {
    const { messages } = (await fixture.browsers.request(gus, 'GET', `/messages/${reader.id}`)) as {
      messages: { message_id: number; deleted: boolean }[]
    }
    return messages.filter(({ deleted }) => !deleted).map(({ message_id }) => message_id)
  }
  const remove = (id: number) => fixture.browsers.request(gus, 'DELETE', `/messages/${id}`)
  await write(gus, reader.id, ['a', 'b'])
  await expectUnread(2)
  expect(await page.title()).toContain(`(${base + 2})`)
  const [b, a] = await messageIds()
  await remove(a!)
  await expectUnread(1)
  await remove(b!)
  await expectUnread(0)
  await write(gus, reader.id, ['c'])
  await expectUnread(1)
  expect(await page.title()).toContain(`(${base + 1})`)

  // What was deleted while the page was offline.
  await write(gus, reader.id, ['d', 'e'])
  await expectUnread(3)
  await page.context().setOffline(true)
  await page.getByText('You are offline.').waitFor()
  await remove((await messageIds())[1]!)
  await page.context().setOffline(false)
  await expectUnread(2)
})

test('the list is in the order of activity, also when the clock of the server went back', async () => {
  const { page } = reader
  await fixture.server.sql("update messages set sent_at = sent_at + interval '1 hour'")
  const hal = await writer('Hal Now', ['now'])
  await page.goto('/')
  const names = () => page.locator('.sidebar .chat-row-name').allTextContents()
  await expect.poll(async () => (await names())[0]).toBe('Hal Now')
  await write(other, reader.id, ['later'])
  await expect.poll(async () => (await names()).slice(0, 2)).toEqual(['Otto Other', 'Hal Now'])
  await write(hal, reader.id, ['latest'])
  await expect.poll(async () => (await names()).slice(0, 2)).toEqual(['Hal Now', 'Otto Other'])
  await page.reload()
  await expect.poll(async () => (await names()).slice(0, 2)).toEqual(['Hal Now', 'Otto Other'])
})

test('the sender and the menu of a message higher than the screen stay on it; the sender opens a profile', async () => {
  const { page } = reader
  const post = (path: string, body: object) => fixture.browsers.request(other, 'POST', path, body)
  const { group_id } = (await post('/groups/create_group', { name: 'Long group' })) as { group_id: number }
  await post('/groups/add_user_to_group', { group_id, user_id: reader.id })
  await write(other, group_id, ['line\n'.repeat(600)])
  await openChat(page, group_id)
  await page.getByRole('button', { name: 'Show more' }).click()
  await wheel(page, 1500)
  await page.locator('.floating-date', { hasText: 'Today' }).waitFor()
  await settled(page)
  const frame = (await page.locator('.messages').boundingBox())!
  const message = page.locator('.theirs').first()
  for (const part of ['.message-sender', '.message-more', '.avatar']) {
    const box = (await message.locator(part).boundingBox())!
    expect(box.y, part).toBeGreaterThanOrEqual(frame.y - 1)
    expect(box.y + box.height, part).toBeLessThanOrEqual(frame.y + frame.height + 1)
  }
  await message.locator('.message-sender').getByRole('button').click()
  await page.getByRole('dialog', { name: 'Details' }).getByText(`@${other.username}`).waitFor()
  await page.keyboard.press('Escape')
})

test('a notice covers neither the newest message nor the composer', async () => {
  const { page } = reader
  await openChat(page, await idOf('Fay Short'))
  await page.locator('.theirs').last().hover()
  await page.locator('.theirs').last().getByLabel('Message actions').click()
  await page.getByRole('menuitem', { name: 'Copy' }).click()
  const notice = (await page.locator('.notice').boundingBox())!
  for (const covered of [page.locator('.message').last(), page.locator('.composer')])
    expect(notice.y + notice.height).toBeLessThan((await covered.boundingBox())!.y)
})

test('logging out erases the places', async () => {
  const { page } = reader
  const keys = () => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('parley.places')))
  expect(await keys()).toHaveLength(1)
  await page.getByLabel('Account and settings').click()
  await page.getByRole('menuitem', { name: 'Log out' }).click()
  await button(page, 'Log in').waitFor()
  expect(await keys()).toEqual([])
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})

async function idOf(name: string): Promise<number> {
  const href = await chatRow(reader.page, name).first().getAttribute('href')
  return Number(href?.split('/').at(-1))
}
