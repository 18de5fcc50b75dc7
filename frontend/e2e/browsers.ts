// Test users and their pages. Each user has a browser context: their own cookies and storage.

import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core'
import { expect } from 'vitest'
import { TIMEOUT_MS, type Server } from './server'

export const PASSWORD = 'correct-horse'
export const PHONE: BrowserContextOptions = {
  viewport: { width: 360, height: 780 },
  hasTouch: true,
  isMobile: true,
}

export interface Account {
  id: number
  username: string
  name: string
  /** The token of a session. */
  token: string
}

export interface TestUser extends Account {
  page: Page
}

export class Browsers {
  /** Script errors, and violations of the content security policy, of all pages. */
  readonly violations: string[] = []
  private userCount = 0

  private constructor(
    private readonly browser: Browser,
    private readonly server: Server,
  ) {}

  /** `args` are options of Chromium. */
  static async launch(server: Server, ...args: string[]): Promise<Browsers> {
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      args: ['--disable-gpu', '--disable-quic', '--disable-sync', '--no-first-run', ...args],
    })
    return new Browsers(browser, server)
  }

  close = () => this.browser.close()

  /** Saves a screenshot of each page. */
  async screenshot(path: string): Promise<void> {
    const pages = this.browser.contexts().flatMap((context) => context.pages())
    for (const [i, page] of pages.entries()) await page.screenshot({ path: `${path}-${i}.png` })
  }

  /** Opens a page, with a session if there is an account. */
  async newPage(options: BrowserContextOptions = {}, account?: Account): Promise<Page> {
    const context = await this.browser.newContext({
      baseURL: this.server.base,
      viewport: { width: 1280, height: 800 },
      locale: 'en-GB',
      ...options,
    })
    context.setDefaultTimeout(TIMEOUT_MS)
    context.on('weberror', (error) => this.violations.push(String(error.error())))
    context.on('console', (message) => {
      if (/content security policy/i.test(message.text())) this.violations.push(message.text())
    })
    const cookie = { name: 'parley_session', url: this.server.base, httpOnly: true, sameSite: 'Strict' as const }
    if (account !== undefined) await context.addCookies([{ ...cookie, value: account.token }])
    return context.newPage()
  }

  /** Makes a user. */
  async newAccount(name: string): Promise<Account> {
    const username = this.username(name)
    const account = { ...(await this.server.newUser(username, PASSWORD)), username, name }
    await this.request(account, 'PATCH', '/users/me', { full_name: name })
    return account
  }

  /** Opens a page of a user, who is logged in. */
  async open(account: Account, path = '/', options: BrowserContextOptions = {}): Promise<TestUser> {
    const page = await this.newPage(options, account)
    await page.goto(path)
    await page.locator(path === '/' ? '.sidebar' : '#composer').waitFor()
    return { ...account, page }
  }

  /** Makes a user, and opens the chat list. */
  async newUser(name: string, options: BrowserContextOptions = {}): Promise<TestUser> {
    return this.open(await this.newAccount(name), '/', options)
  }

  /** Opens a chat of two new users for both, with these messages of the first one. */
  async newPair(...texts: string[]): Promise<[TestUser, TestUser]> {
    const ada = await this.newAccount('Ada Lovelace')
    const ben = await this.newAccount('Ben Okri')
    await this.write(ada, ben.id, texts)
    const pair = [await this.open(ada, `/c/${ben.id}`), await this.open(ben, `/c/${ada.id}`)] as const
    await theirs(pair[1].page, texts.at(-1)!).waitFor()
    return [...pair]
  }

  /** Sends texts in this order, without a page. */
  async write(from: Account, to: number, texts: readonly string[]): Promise<void> {
    for (const content of texts)
      await this.request(from, 'POST', '/messages/send_message', { receiver_id: to, content })
  }

  /** A request of a user, without a page. Returns the answer; null if it is empty. */
  async request({ token }: Account, method: string, path: string, body?: object): Promise<unknown> {
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const response = await fetch(this.server.base + path, { method, headers, body: JSON.stringify(body) })
    const text = await response.text()
    expect(response.ok, text).toBe(true)
    return text === '' ? null : JSON.parse(text)
  }

  private username(name: string): string {
    return `${name.toLowerCase().replace(/[^a-z]/g, '').slice(0, 20)}${++this.userCount}`
  }
}

export async function closeUsers(...users: TestUser[]): Promise<void> {
  for (const { page } of users) await page.context().close()
}

/** Opens a chat, which may have no messages yet. */
export async function openChat(page: Page, id: number): Promise<void> {
  await page.goto(`/c/${id}`)
  await field(page).waitFor()
}

/** Opens a chat at its newest message, which is from the other side and has this text, wherever the reader was. */
export async function openNewest(page: Page, id: number, text: string): Promise<Locator> {
  await openChat(page, id)
  const jump = page.locator('.jump')
  const newest = page.locator('.theirs').last()
  const atNewest = async () => {
    if (await jump.isVisible()) await jump.click()
    return newest.locator('.message-text').textContent()
  }
  await expect.poll(atNewest).toContain(text)
  return newest
}

export const field = (page: Page) => page.locator('#composer')
export const mine = (page: Page, text: string) => bubble(page, 'mine', text)
export const theirs = (page: Page, text: string) => bubble(page, 'theirs', text)
export const chatRow = (page: Page, text: string) => page.locator('.chat-row', { hasText: text })
/** An event such as "Ada added Ben". Bidi isolates surround the names. */
export const event = (page: Page, text: string) =>
  page.locator('.event', { hasText: new RegExp(text.split(' ').join('[ \\u2068\\u2069]+')) })
export const button = (scope: Page | Locator, name: string) =>
  scope.getByRole('button', { name, exact: true })

const bubble = (page: Page, side: 'mine' | 'theirs', text: string) =>
  page.locator(`.${side}`).filter({ has: page.getByText(text, { exact: true }) })

/** Sends a message: on a phone too, where Enter makes a new line. */
export async function send(page: Page, text: string): Promise<void> {
  await field(page).fill(text)
  await field(page).press('Control+Enter')
}

/** The messages on the screen, from the top. */
export const shownTexts = (page: Page) =>
  page.locator('.message .message-text > span:first-child:not(.message-meta)').allTextContents()

/** Waits until the messages on the screen are exactly these, in this order. */
export async function expectShown(page: Page, texts: readonly string[]): Promise<void> {
  await expect.poll(() => shownTexts(page)).toEqual(texts)
}

/** The texts that the server has stored, oldest first. */
export async function storedTexts(page: Page, chatId: number): Promise<string[]> {
  const response = await page.request.get(`/messages/${chatId}?limit=200`)
  const { messages } = (await response.json()) as { messages: { kind: string; content: string }[] }
  return messages.reverse().flatMap((message) => (message.kind === 'text' ? [message.content] : []))
}

/** Opens the menu of a message and chooses an entry. */
export async function chooseFromMenu(page: Page, message: Locator, name: string): Promise<void> {
  await message.hover()
  await message.getByLabel('Message actions').click()
  await page.getByRole('menuitem', { name }).click()
}

/** Changes the language of what is on the screen, as if it were chosen in another tab; null: as in the browser, English. */
export async function setLanguage(page: Page, language: string | null): Promise<void> {
  await page.evaluate((chosen) => {
    localStorage.setItem('parley.prefs', JSON.stringify({ language: chosen }))
    dispatchEvent(new StorageEvent('storage', { key: 'parley.prefs' }))
  }, language)
  const expected = [language ?? 'en', language === 'ar' ? 'rtl' : 'ltr']
  await expect
    .poll(() => page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]))
    .toEqual(expected)
}
