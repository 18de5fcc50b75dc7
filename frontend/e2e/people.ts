// People at browsers: each has a browser profile of their own, with nobody's cookies but theirs.

import { chromium, type Browser, type BrowserContextOptions, type Locator, type Page } from 'playwright-core'
import { expect } from 'vitest'

export const PASSWORD = 'correct-horse'
/** Only a failure waits this long. */
export const PATIENCE_MS = 20_000
export const PHONE: BrowserContextOptions = {
  viewport: { width: 360, height: 780 },
  hasTouch: true,
  isMobile: true,
}

export interface Person {
  id: number
  username: string
  name: string
  page: Page
}

export class People {
  /** What no page may do: errors of its own, and what the content security policy forbids. */
  readonly complaints: string[] = []
  private made = 0

  private constructor(
    private readonly browser: Browser,
    readonly base: string,
  ) {}

  static async come(base: string): Promise<People> {
    const browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
      args: ['--disable-gpu', '--disable-quic', '--disable-sync', '--no-first-run'],
    })
    return new People(browser, base)
  }

  leave = () => this.browser.close()

  /** A picture of each window, for whoever looks into a failure. */
  async photograph(path: string): Promise<void> {
    const pages = this.browser.contexts().flatMap((context) => context.pages())
    for (const [i, page] of pages.entries()) await page.screenshot({ path: `${path}-${i}.png` })
  }

  /** A window of somebody who is not signed in. */
  async stranger(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext({
      baseURL: this.base,
      viewport: { width: 1280, height: 800 },
      locale: 'en-GB',
      ...options,
    })
    context.setDefaultTimeout(PATIENCE_MS)
    context.on('weberror', (error) => this.complaints.push(String(error.error())))
    context.on('console', (message) => {
      if (/content security policy/i.test(message.text())) this.complaints.push(message.text())
    })
    return context.newPage()
  }

  /** Somebody with an account, signed in, at the list of chats. */
  async person(name: string, options: BrowserContextOptions = {}): Promise<Person> {
    const page = await this.stranger(options)
    const username = this.username(name)
    const account = { username, full_name: name, password: PASSWORD }
    const made = await page.request.post('/users/register', { data: account })
    expect(made.status(), await made.text()).toBe(201)
    const login = { username, password: PASSWORD, cookie: true }
    expect((await page.request.post('/users/login', { data: login })).status()).toBe(200)
    const { user_id: id } = (await made.json()) as { user_id: number }
    await page.goto('/')
    await page.locator('.sidebar').waitFor()
    return { id, username, name, page }
  }

  private username(name: string): string {
    return `${name.toLowerCase().replace(/[^a-z]/g, '').slice(0, 20)}${++this.made}`
  }
}

/** Opens the chat with somebody, which need not exist yet. */
export async function openChat(page: Page, id: number): Promise<void> {
  await page.goto(`/c/${id}`)
  await field(page).waitFor()
}

export const field = (page: Page) => page.locator('#composer')
export const mine = (page: Page, text: string) => bubble(page, 'mine', text)
export const theirs = (page: Page, text: string) => bubble(page, 'theirs', text)
export const chatRow = (page: Page, text: string) => page.locator('.chat-row', { hasText: text })
/** A line such as "Ada added Ben", whose names are isolated from the text around them. */
export const event = (page: Page, words: string) =>
  page.locator('.event', { hasText: new RegExp(words.split(' ').join('[ \\u2068\\u2069]+')) })
export const button = (where: Page | Locator, name: string) =>
  where.getByRole('button', { name, exact: true })

const bubble = (page: Page, whose: string, text: string) =>
  page.locator(`.${whose}`).filter({ has: page.getByText(text, { exact: true }) })

export async function say(page: Page, text: string): Promise<void> {
  await field(page).fill(text)
  await field(page).press('Enter')
}

/** The messages on the screen, from top to bottom. */
export const shownTexts = (page: Page) =>
  page.locator('.message .message-text > span:first-child:not(.message-meta)').allTextContents()

/** Waits until these are the messages on the screen: each once, in this order. */
export async function expectShown(page: Page, texts: readonly string[]): Promise<void> {
  await expect.poll(() => shownTexts(page), { timeout: PATIENCE_MS }).toEqual(texts)
}

/** The texts as the server has them, from the first to the last. */
export async function storedTexts(page: Page, chatId: number): Promise<string[]> {
  const answer = await page.request.get(`/messages/${chatId}?limit=200`)
  const { messages } = (await answer.json()) as { messages: { kind: string; content: string }[] }
  return messages.reverse().flatMap((message) => (message.kind === 'text' ? [message.content] : []))
}

export async function chooseFromMenu(page: Page, message: Locator, name: string): Promise<void> {
  await message.hover()
  await message.getByLabel('Message actions').click()
  await page.getByRole('menuitem', { name }).click()
}
