// Everyday use: the chat list, the message field, groups and dialogs, with a keyboard and on a phone.

import type { Locator, Page } from 'playwright-core'
import { beforeAll, describe, expect, test } from 'vitest'
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
  storedTexts,
  type Account,
  type TestUser,
} from './browsers'
import { useFixture } from './fixture'

const GROUPS = 48
const KEYS = 7

const fixture = useFixture()
/** On a desktop, and in `GROUPS` groups. */
let ada: TestUser
let ben: Account
/** On a phone, and in the same groups. */
let pia: TestUser

const dialog = (page: Page, name: string) => page.getByRole('dialog', { name, exact: true })
const path = (page: Page) => new URL(page.url()).pathname
const groupName = (i: number) => `Group ${String(i).padStart(2, '0')}`

async function post(page: Page, url: string, data: object): Promise<Record<string, unknown>> {
  const response = await page.request.post(url, { data, headers: { Origin: fixture.server.base } })
  expect(response.ok(), await response.text()).toBe(true)
  return response.status() === 204 ? {} : ((await response.json()) as Record<string, unknown>)
}

/** True if the element is inside of the frame, without a part outside of it. */
const isInside = (element: Locator, frame: string) =>
  element.evaluate((node, frame) => {
    const own = node.getBoundingClientRect()
    const outer = document.querySelector(frame)!.getBoundingClientRect()
    return own.top >= outer.top - 1 && own.bottom <= outer.bottom + 1 && own.height > 0
  }, frame)

/** Replaces the text of the message field. Chromium itself takes seconds to type or paste 1800 lines. */
const setText = (page: Page, text: string) =>
  field(page).evaluate((area: HTMLTextAreaElement, text) => {
    // The setter of the element itself is React's, which then ignores the event.
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')!.set!.call(area, text)
    area.dispatchEvent(new InputEvent('input', { bubbles: true }))
    area.focus()
  }, text)
const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!

const current = (page: Page) => page.locator('.chat-row[aria-current=page]')
const scrollTop = (page: Page) => page.locator('.sidebar-body').evaluate((list) => list.scrollTop)
const historyLength = (page: Page) => page.evaluate(() => history.length)

beforeAll(async () => {
  ada = await fixture.browsers.newUser('Ada Lovelace')
  ben = await fixture.browsers.newAccount('Benedict Okri')
  pia = await fixture.browsers.newUser('Pia Phone', PHONE)
  for (let i = 0; i < GROUPS; i++) {
    const { group_id } = await post(ada.page, '/groups/create_group', { name: groupName(i) })
    await post(ada.page, '/groups/add_user_to_group', { group_id, user_id: pia.id })
  }
  for (const { page } of [ada, pia]) {
    await page.goto('/')
    await chatRow(page, groupName(GROUPS - 1)).waitFor()
  }
})

describe('with a keyboard', () => {
  test('Enter in the search opens the first result, also if it is pressed before there is one', async () => {
    const { page } = ada
    await page.keyboard.press('Control+k')
    await page.keyboard.type(groupName(7))
    await page.keyboard.press('Enter')
    await page.locator('.conversation-name', { hasText: groupName(7) }).waitFor()
    expect(await page.getByLabel('Search chats, people and messages').inputValue()).toBe('')
    await page.keyboard.type('typed at once')
    await expect.poll(() => field(page).inputValue()).toBe('typed at once')
    await field(page).fill('')

    await page.keyboard.press('Control+k')
    await page.keyboard.type(ben.username)
    await page.keyboard.press('Enter')
    await page.locator('.conversation-name', { hasText: ben.name }).waitFor()
    expect(path(page)).toBe(`/c/${ben.id}`)
  })

  test('the open chat is in view in the list, after Alt+↓ and by a link', async () => {
    const { page } = ada
    await page.goto('/')
    await chatRow(page, groupName(GROUPS - 1)).waitFor()
    for (let i = 0; i < 40; i++) await page.keyboard.press('Alt+ArrowDown')
    await page.locator('.conversation-name', { hasText: groupName(GROUPS - 40) }).waitFor()
    await expect.poll(() => isInside(current(page), '.sidebar-body')).toBe(true)

    await page.reload()
    await current(page).waitFor()
    await expect.poll(() => isInside(current(page), '.sidebar-body')).toBe(true)
  })

  test('forty chats leave one entry in the history, and a dialog is closed by Back, Esc and its button', async () => {
    const { page } = ada
    await page.goto('/')
    await chatRow(page, groupName(GROUPS - 1)).click()
    const entries = await historyLength(page)
    for (let i = 0; i < 5; i++) await page.keyboard.press('Alt+ArrowDown')
    await page.locator('.conversation-name', { hasText: groupName(GROUPS - 6) }).waitFor()
    expect(await historyLength(page)).toBe(entries)

    for (const close of ['Back', 'Escape', 'Close']) {
      await button(page, 'Details').click()
      const details = dialog(page, 'Group details')
      await details.waitFor()
      if (close === 'Back') await page.goBack()
      else if (close === 'Escape') await page.keyboard.press('Escape')
      else await button(details, 'Close').click()
      await details.waitFor({ state: 'detached' })
      await page.locator('.conversation-name', { hasText: groupName(GROUPS - 6) }).waitFor()
    }
    await page.goBack()
    await expect.poll(() => path(page)).toBe('/')
  })

  test('Enter that takes a candidate of an input method does nothing, in any field', async () => {
    const { page } = ada
    await openChat(page, ben.id)
    /** As Safari: `compositionend`, then Enter with the keyCode 229. */
    const takeCandidate = (target: Locator) =>
      target.evaluate((element) => {
        element.dispatchEvent(new CompositionEvent('compositionend', { bubbles: true, data: '語' }))
        const init = { key: 'Enter', keyCode: 229, which: 229, bubbles: true, cancelable: true }
        return element.dispatchEvent(new KeyboardEvent('keydown', init))
      })
    await field(page).fill('日本語')
    expect(await takeCandidate(field(page))).toBe(true)
    expect(await field(page).inputValue()).toBe('日本語')

    const search = page.getByLabel('Search chats, people and messages')
    await search.fill(groupName(3))
    expect(await takeCandidate(search)).toBe(true)
    await page.waitForTimeout(100)
    expect(path(page)).toBe(`/c/${ben.id}`)
    await search.fill('')

    await page.keyboard.press('Alt+g')
    const people = dialog(page, 'New group').getByLabel('Search by name')
    await people.fill(ben.username)
    await dialog(page, 'New group').getByRole('checkbox', { name: ben.name }).waitFor()
    expect(await takeCandidate(people)).toBe(true)
    expect(await people.inputValue()).toBe(ben.username)
    await people.press('Enter')
    await expect.poll(() => people.inputValue()).toBe('')
    await page.keyboard.press('Escape')
    await field(page).fill('')
  })

  test('a setting makes Enter a new line, and Ctrl+Enter then sends', async () => {
    const { page } = ada
    await page.keyboard.press('Control+,')
    const settings = dialog(page, 'Profile and settings')
    await settings.getByRole('switch', { name: 'Send with Enter' }).uncheck()
    await page.keyboard.press('Escape')
    await field(page).fill('one')
    await field(page).press('Enter')
    await field(page).pressSequentially('two')
    await field(page).press('Control+Enter')
    await mine(page, 'one\ntwo').waitFor()
    await page.keyboard.press('Control+,')
    await settings.getByRole('switch', { name: 'Send with Enter' }).check()
    await page.keyboard.press('Escape')
    await field(page).fill('three')
    await field(page).press('Enter')
    await mine(page, 'three').waitFor()
  })
})

describe('on a phone', () => {
  test('the list keeps its position, and the arrow and Back lead to it without a pile of chats', async () => {
    const { page } = pia
    await page.locator('.sidebar-body').evaluate((list) => list.scrollTo(0, 1_500))
    await expect.poll(() => scrollTop(page)).toBe(1_500)
    const row = page.locator('.chat-row').nth(8)
    const name = (await row.locator('.chat-row-name').textContent())!
    const entries = await historyLength(page)
    for (const leave of ['Back', 'the arrow', 'Back']) {
      await chatRow(page, name).evaluate((link: HTMLElement) => link.click())
      await page.locator('.conversation-name', { hasText: name }).waitFor()
      if (leave === 'Back') await page.goBack()
      else await page.getByRole('link', { name: 'Back' }).click()
      await expect.poll(() => path(page)).toBe('/')
      await chatRow(page, name).waitFor()
      expect(await scrollTop(page)).toBe(1_500)
    }
    expect(await historyLength(page)).toBe(entries + 1)
  })

  test('Back closes a dialog, then the chat', async () => {
    const { page } = pia
    await page.locator('.sidebar-body').evaluate((list) => list.scrollTo(0, 0))
    await chatRow(page, groupName(GROUPS - 1)).click()
    await button(page, 'Details').click()
    const details = dialog(page, 'Group details')
    await details.getByText(ada.name).click()
    await dialog(page, 'Details').waitFor()
    await page.goBack()
    await dialog(page, 'Details').waitFor({ state: 'detached' })
    expect(await details.isVisible()).toBe(true)
    await page.goBack()
    await details.waitFor({ state: 'detached' })
    expect(path(page)).toMatch(/^\/c\/\d+$/)
    await page.goBack()
    await expect.poll(() => path(page)).toBe('/')
  })

  test('Enter makes a new line, and the button sends', async () => {
    const { page } = pia
    await openChat(page, ada.id)
    await field(page).pressSequentially('two')
    await field(page).press('Enter')
    await field(page).pressSequentially('lines')
    await button(page, 'Send').click()
    await mine(page, 'two\nlines').waitFor()
    await expect.poll(() => storedTexts(page, ada.id)).toEqual(['two\nlines'])
  })

  test('a long press on a link or on selected text leaves the menu of the browser', async () => {
    const { page } = pia
    await send(page, 'see https://example.org/ for more')
    const message = page.locator('.mine', { hasText: 'for more' })
    const link = message.getByRole('link')
    await link.waitFor()
    /** Returns true if the page prevented the menu of the browser. */
    const longPress = (target: Locator) =>
      target.evaluate((element) => {
        const init = { bubbles: true, cancelable: true, pointerType: 'touch' }
        return !element.dispatchEvent(new PointerEvent('contextmenu', init))
      })
    expect(await longPress(link)).toBe(false)
    const text = message.locator('.message-text')
    await text.evaluate((element) => getSelection()!.selectAllChildren(element))
    expect(await longPress(text)).toBe(false)
    await page.evaluate(() => getSelection()!.removeAllRanges())
    expect(await longPress(text)).toBe(true)
    await page.getByRole('menuitem', { name: 'Copy text' }).waitFor()
    await page.keyboard.press('Escape')
  })
})

describe('the message field', () => {
  test('keeps an edit over a switch of chats and a reload', async () => {
    const { page } = ada
    await openChat(page, ben.id)
    await field(page).press('ArrowUp')
    await page.getByLabel('Edit message').fill('three, half changed')
    await chatRow(page, groupName(GROUPS - 1)).click()
    await page.locator('.conversation-name', { hasText: groupName(GROUPS - 1) }).waitFor()
    expect(await page.getByLabel('Message', { exact: true }).inputValue()).toBe('')
    await page.goto(`/c/${ben.id}`)
    await page.getByLabel('Edit message').waitFor()
    expect(await field(page).inputValue()).toBe('three, half changed')
    await field(page).press('Enter')
    await mine(page, 'three, half changed').getByText('edited').waitFor()
    expect(await page.getByLabel('Message', { exact: true }).inputValue()).toBe('')
  })

  test('two tabs do not write into each other’s text', async () => {
    const { page } = ada
    const tab = await page.context().newPage()
    await openChat(tab, ben.id)
    await field(page).fill('from one')
    await field(tab).fill('from two')
    await tab.evaluate(() => dispatchEvent(new Event('blur')))
    await page.waitForTimeout(600)
    expect(await field(page).inputValue()).toBe('from one')
    expect(await field(tab).inputValue()).toBe('from two')
    await field(page).fill('')
    await field(tab).fill('')
    await tab.close()
  })

  test('offers to send a long text as several messages, which arrive in order', async () => {
    const { page } = ada
    const paragraphs = ['a', 'b', 'c'].map((letter) => `${letter} `.repeat(6_000).trim())
    await field(page).fill(paragraphs.join('\n\n'))
    await page.getByText('3 messages will be sent').waitFor()
    await field(page).press('Enter')
    await expect.poll(async () => (await storedTexts(page, ben.id)).slice(-3)).toEqual(paragraphs)
  })

  test('a key in a draft of 100 KB takes less than 16 ms of script', async () => {
    const { page } = ada
    await openChat(page, ben.id)
    const session = await page.context().newCDPSession(page)
    // Processor time: other work on the machine does not count.
    await session.send('Performance.enable', { timeDomain: 'threadTicks' })
    const scriptMs = async () => {
      const { metrics } = await session.send('Performance.getMetrics')
      return 1_000 * metrics.find((metric) => metric.name === 'ScriptDuration')!.value
    }
    const prose = 'The quick brown fox jumps over the lazy dog, and runs. '
    for (const text of [' '.repeat(100_000), prose.repeat(1_800), `${prose}\n`.repeat(1_800)]) {
      await setText(page, text)
      const costs: number[] = []
      for (let i = 0; i < KEYS; i++) {
        const before = await scriptMs()
        await page.keyboard.press('x')
        costs.push((await scriptMs()) - before)
      }
      expect(median(costs), `${text.length} characters: ${String(costs)}`).toBeLessThan(16)
      expect(await field(page).inputValue()).toHaveLength(text.length + KEYS)
    }
    await page.getByText('messages will be sent').waitFor()
    await setText(page, '')
  })

  test('a pasted or dropped file is refused with a sentence, and not opened', async () => {
    const { page } = ada
    await openChat(page, ben.id)
    const url = page.url()
    const session = await page.context().newCDPSession(page)
    const file = new URL('fixture.ts', import.meta.url).pathname
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
      await session.send('Input.dispatchDragEvent', {
        type,
        x: 300,
        y: 300,
        data: { items: [], files: [file], dragOperationsMask: 1 },
      })
    const sentence = page.locator('.notice', { hasText: 'Files cannot be sent yet.' })
    await sentence.waitFor()
    expect(page.url()).toBe(url)
    await button(sentence, 'Dismiss').click()

    await field(page).evaluate((area) => {
      const data = new DataTransfer()
      data.items.add(new File(['x'], 'x.png', { type: 'image/png' }))
      area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
    })
    await sentence.waitFor()
    expect(await field(page).inputValue()).toBe('')
  })

  test('a notice does not cover the newest message or the message field', async () => {
    for (const { page } of [ada, pia]) {
      await openChat(page, page === pia.page ? ada.id : ben.id)
      await page.evaluate(() => {
        const data = new DataTransfer()
        data.items.add(new File(['x'], 'x.png', { type: 'image/png' }))
        document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))
      })
      await page.locator('.notice').first().waitFor()
      const covered = await page.evaluate(() => {
        const notice = document.querySelector('.notice')!.getBoundingClientRect()
        const last = [...document.querySelectorAll('.bubble')].at(-1)!
        return [last.querySelector('.message-meta')!, document.querySelector('.composer')!].filter(
          (element) => element.getBoundingClientRect().top < notice.bottom,
        ).length
      })
      expect(covered).toBe(0)
    }
  })
})

describe('groups', () => {
  const name = 'A club that is founded once'
  let cem: Account
  let dora: TestUser

  beforeAll(async () => {
    cem = await fixture.browsers.newAccount('Cem Yılmaz')
    dora = await fixture.browsers.newUser('Dora Maar')
  })

  test('a member who cannot be added is named, and a second try adds to the same group', async () => {
    const { page } = ada
    await button(page, 'New group').click()
    const newGroup = dialog(page, 'New group')
    await newGroup.getByLabel('Group name').fill(name)
    for (const user of [cem, dora, ben]) {
      await newGroup.getByLabel('Search by name').fill(user.username)
      await newGroup.getByRole('checkbox', { name: user.name }).click()
    }
    await fixture.browsers.request(cem, 'DELETE', `/users/delete_user/${cem.id}`)
    await button(newGroup, 'Create group').click()
    await newGroup.getByText('Cem Yılmaz was not added.').waitFor()
    expect(await newGroup.locator('.chip').allTextContents()).toEqual([cem.name])
    for (let i = 0; i < 2; i++) {
      await button(newGroup, 'Try again').click()
      await newGroup.getByText('Cem Yılmaz was not added.').waitFor()
    }
    await newGroup.locator('.chip').click()
    await button(newGroup, 'Open the group').click()
    await page.locator('.conversation-name', { hasText: name }).waitFor()
    await event(page, 'You added Dora Maar').waitFor()
    await event(page, 'You added Benedict Okri').waitFor()
    await expect.poll(() => chatRow(dora.page, name).count()).toBe(1)
    const { chats } = (await (await page.request.get('/chats?limit=200')).json()) as { chats: { name: string }[] }
    expect(chats.filter((chat) => chat.name === name)).toHaveLength(1)
  })

  test('a member opens a profile, from which a message can be written', async () => {
    const { page } = ada
    await button(page, 'Details').click()
    const details = dialog(page, 'Group details')
    await details.getByRole('button', { name: dora.name }).first().click()
    const profile = dialog(page, 'Details')
    await profile.getByText(`@${dora.username}`).waitFor()
    await button(profile, 'Message').click()
    await expect.poll(() => path(page)).toBe(`/c/${dora.id}`)
    await expect.poll(() => page.getByRole('dialog').count()).toBe(0)
    await send(page, 'Hello Dora')
    await mine(page, 'Hello Dora').waitFor()
  })

  test('a join does not make an open page read the group again', async () => {
    const { page } = ada
    await chatRow(page, name).click()
    await page.locator('.conversation-head').getByText('3 members').waitFor()
    await button(page, 'Details').click()
    const details = dialog(page, 'Group details')
    await details.getByText('3 members').waitFor()
    const requests: string[] = []
    page.on('request', (request) => requests.push(new URL(request.url()).pathname))
    const id = Number(path(page).split('/').at(-1))
    await fixture.browsers.request(ben, 'POST', '/groups/add_user_to_group', { group_id: id, user_id: pia.id })
    await details.getByText('4 members').waitFor()
    await details.getByRole('button', { name: pia.name }).or(details.getByRole('button', { name: pia.username })).first().waitFor()
    await page.locator('.conversation-head').getByText('4 members').waitFor()
    expect(requests.filter((url) => url.startsWith('/groups/'))).toEqual([])
    await page.keyboard.press('Escape')
  })

  test('a row of the list shows the full name of the sender, who is not a contact, at once', async () => {
    await chatRow(dora.page, name).click()
    await send(dora.page, 'Hello everyone')
    await mine(dora.page, 'Hello everyone').getByLabel('Sent', { exact: true }).waitFor()
    const { page } = pia
    await page.route('**/users/username/*', (route) => route.abort())
    await page.goto('/')
    await chatRow(page, name).getByText('Dora Maar:').waitFor()
    await page.unroute('**/users/username/*')
  })

  test('a name of a hundred characters can be read in full', async () => {
    const long = 'Wolfeschlegelsteinhausenbergerdorff '.repeat(3).slice(0, 99) + '!'
    const page = await fixture.browsers.newPage(PHONE)
    const account = { username: 'longname', full_name: long, password: PASSWORD }
    await post(page, '/users/register', account)
    await page.context().close()
    // By the search: by a link, only the username of a stranger is known.
    await pia.page.goto('/')
    await pia.page.getByLabel('Search chats, people and messages').fill(account.username)
    await pia.page.getByLabel('Search chats, people and messages').press('Enter')
    await expect.poll(() => pia.page.locator('.conversation-name').getAttribute('title')).toBe(long)
    await button(pia.page, 'Details').click()
    const shown = dialog(pia.page, 'Details').locator('.contact-name bdi')
    await shown.waitFor()
    expect(
      await shown.evaluate(
        (element) => element.scrollWidth <= element.clientWidth + 1 && element.scrollHeight <= element.clientHeight + 1,
      ),
    ).toBe(true)
  })
})

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
