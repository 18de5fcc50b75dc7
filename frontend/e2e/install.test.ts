// The build, the service worker, notifications, and the ways to show the page: printed, with a large text, in forced
// colours.

import { chmodSync, cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { Page } from 'playwright-core'
import { afterAll, describe, expect, test } from 'vitest'
import { firstScreen, total } from '../plugins/compress'
import { Browsers, PHONE, button, chatRow, field, mine, openChat, send, theirs } from './browsers'
import { useFixture } from './fixture'
import { overflow, unreachable } from './layout'
import { DIST } from './server'

/** A copy of dist/, which a test replaces by another build. */
const folder = mkdtempSync(join(tmpdir(), 'parley-page-'))
chmodSync(folder, 0o755)
cpSync(DIST, folder, { recursive: true })
const fixture = useFixture(folder)
afterAll(() => rmSync(folder, { recursive: true }))

const read = (name: string) => readFileSync(join(folder, name), 'utf8')
const versionOf = (html: string) => /<meta name="version" content="(\w+)"/.exec(html)![1]!
const openSettings = (page: Page) => page.keyboard.press('Control+,')
const settings = (page: Page) => page.getByRole('dialog', { name: 'Profile and settings' })

/** Waits until the service worker has taken over the page. */
const serviceWorkerReady = (page: Page) =>
  expect.poll(() => page.evaluate(() => navigator.serviceWorker.controller?.state)).toBe('activated')

describe('the build', () => {
  test('the first screen has at most 150 KB of compressed JavaScript, and 160 KB in all', () => {
    const first = firstScreen(DIST)
    const scripts = first.filter((name) => name.endsWith('.js'))
    expect(scripts.length).toBeGreaterThan(0)
    expect(first.filter((name) => name.endsWith('.css')).length).toBeGreaterThan(0)
    for (const ending of ['br', 'gz']) expect(total(DIST, scripts, ending)).toBeLessThan(150_000)
    expect(total(DIST, first)).toBeLessThan(160_000)
  })

  test('each large text file has a .br and a .gz of the same content, which are smaller', () => {
    const names = readdirSync(DIST, { recursive: true, encoding: 'utf8' })
    const large = names.filter((n) => /\.(html|js|css|svg)$/.test(n) && readFileSync(join(DIST, n)).length >= 1024)
    expect(large).toEqual(expect.arrayContaining(['index.html', 'sw.js']))
    for (const name of large) {
      const data = readFileSync(join(DIST, name))
      const br = readFileSync(join(DIST, `${name}.br`))
      const gz = readFileSync(join(DIST, `${name}.gz`))
      expect(brotliDecompressSync(br).equals(data), name).toBe(true)
      expect(gunzipSync(gz).equals(data), name).toBe(true)
      expect(Math.max(br.length, gz.length)).toBeLessThan(data.length)
    }
    expect(names.filter((name) => /\.png\./.test(name))).toEqual([])
  })

  test('the page can be installed', async () => {
    const page = await fixture.browsers.newPage()
    await page.goto('/')
    const session = await page.context().newCDPSession(page)
    const problems = async () =>
      (await session.send('Page.getInstallabilityErrors')).installabilityErrors.map(({ errorId }) => errorId)
    // The contexts of the tests are incognito windows.
    await expect.poll(problems).toEqual(['in-incognito'])
    const { errors, data } = await session.send('Page.getAppManifest')
    expect(errors).toEqual([])
    for (const icon of (JSON.parse(data!) as { icons: { src: string }[] }).icons)
      expect((await page.request.get(icon.src)).headers()['content-type']).toBe('image/png')
    await page.context().close()
  })
})

describe('the service worker', () => {
  test('starts the page without a connection, with all of its parts; responses of the server are not kept', async () => {
    const { page, id } = await fixture.browsers.newUser('Ada Lovelace')
    await serviceWorkerReady(page)
    await page.context().setOffline(true)
    for (const path of ['/', `/c/${id}`]) {
      await page.goto(path)
      await page.locator('.waiting, .shell').waitFor()
    }
    const parts = readdirSync(join(DIST, 'assets')).filter((name) => name.endsWith('.js'))
    const load = (names: string[]) =>
      page.evaluate((list) => Promise.all(list.map(async (n) => (await fetch(`/assets/${n}`)).status)), names)
    expect(await load(parts)).toEqual(parts.map(() => 200))
    for (const path of ['/users/me', '/chats', '/healthz', '/openapi.json'])
      expect(await page.evaluate((p) => fetch(p).then(() => 'response', () => 'none'), path), path).toBe('none')
    await expect(page.goto('/openapi.json')).rejects.toThrow(/ERR_INTERNET_DISCONNECTED/)
    await page.context().close()
  })

  test('after log-out the browser keeps no message, no name, and no notification', async () => {
    const ada = await fixture.browsers.newUser('Ada Lovelace')
    const ben = await fixture.browsers.newAccount('Benedict Secretname')
    const { page } = ada
    await serviceWorkerReady(page)
    await openChat(page, ben.id)
    await send(page, 'a classified message')
    await mine(page, 'a classified message').getByLabel('Sent', { exact: true }).waitFor()
    await field(page).fill('a classified draft')
    await button(page, 'Account and settings').click()
    await page.getByRole('menuitem', { name: 'Log out' }).click()
    await button(page, 'Log in').waitFor()
    const kept = await page.evaluate(async () => {
      const parts = [JSON.stringify(localStorage), JSON.stringify(sessionStorage)]
      for (const name of await caches.keys())
        for (const response of await (await caches.open(name)).matchAll()) parts.push(await response.text())
      for (const { name } of await indexedDB.databases()) {
        const db = await new Promise<IDBDatabase>((resolve) => {
          const request = indexedDB.open(name!)
          request.onsuccess = () => resolve(request.result)
        })
        for (const store of db.objectStoreNames) {
          const rows = await new Promise<unknown[]>((resolve) => {
            const request = db.transaction(store).objectStore(store).getAll()
            request.onsuccess = () => resolve(request.result as unknown[])
          })
          parts.push(JSON.stringify(rows))
        }
        db.close()
      }
      return parts.join('\n')
    })
    expect(kept).not.toContain('classified')
    expect(kept).not.toContain('Secretname')
    await page.context().close()
  })
})

describe('the title, the icon and notifications', () => {
  test('the title names the open chat and the number of unread messages, and the icon has a badge', async () => {
    const ada = await fixture.browsers.newUser('Ada Lovelace')
    const ben = await fixture.browsers.newUser('Ben Okri')
    const icon = () => ada.page.locator('link[rel=icon]').getAttribute('href')
    await openChat(ada.page, ada.id)
    await expect.poll(() => ada.page.title()).toBe('Notes to self – Parley')
    expect(await icon()).toBe('/favicon.svg')
    await openChat(ben.page, ada.id)
    for (const text of ['one', 'two']) await send(ben.page, text)
    await expect.poll(() => ada.page.title()).toBe('(2) Notes to self – Parley')
    expect(await icon()).toBe('/favicon-unread.svg')
    await chatRow(ada.page, 'Ben Okri').click()
    await expect.poll(() => ada.page.title()).toBe('Ben Okri – Parley')
    expect(await icon()).toBe('/favicon.svg')
    for (const { page } of [ada, ben]) await page.context().close()
  })

  test('each message of a chat rings again, in one notification for all tabs; pressing it opens the chat', async () => {
    const ada = await fixture.browsers.newUser('Ada Lovelace', { permissions: ['notifications'] })
    const ben = await fixture.browsers.newUser('Ben Okri')
    const { page } = ada
    await page.addInitScript(() => {
      localStorage.setItem('parley.prefs', JSON.stringify({ notifications: true }))
      document.hasFocus = () => false
    })
    await page.goto('/')
    await serviceWorkerReady(page)
    // Without the constructor, as on Android.
    await page.evaluate(() => {
      const { permission } = Notification
      const forbidden = () => {
        throw new TypeError('Illegal constructor')
      }
      window.Notification = Object.assign(forbidden, { permission }) as unknown as typeof Notification
    })
    const shown = () =>
      page.evaluate(async () => {
        const registration = (await navigator.serviceWorker.getRegistration())!
        return (await registration.getNotifications()).map((notification) => ({
          title: notification.title,
          body: notification.body,
          renotify: (notification as Notification & { renotify: boolean }).renotify,
        }))
      })
    await openChat(ben.page, ada.id)
    for (const body of ['first', 'second']) {
      await send(ben.page, body)
      await expect.poll(shown).toEqual([{ title: 'Ben Okri', body, renotify: true }])
    }
    const [worker] = page.context().serviceWorkers()
    await worker!.evaluate(`self.registration.getNotifications().then(([notification]) =>
      void self.dispatchEvent(new NotificationEvent('notificationclick', { notification })))`)
    await page.waitForURL(`**/c/${ben.id}`)
    await theirs(page, 'second').waitFor()
    expect(await shown()).toEqual([])
    for (const user of [ada, ben]) await user.page.context().close()
  })
})

test('a picture of another server is neither shown nor requested, and Settings says so', async () => {
  const { page } = await fixture.browsers.newUser('Ada Lovelace')
  const requested: string[] = []
  page.on('request', (request) => requested.push(new URL(request.url()).host))
  await openSettings(page)
  await settings(page).getByText('Only pictures on this server are shown').waitFor()
  await settings(page).getByLabel('Picture address').fill('https://pictures.invalid/me.png')
  await button(settings(page), 'Save').click()
  await button(settings(page), 'Saved').waitFor()
  await page.reload()
  await button(page, 'Account and settings').locator('[data-initials="AL"]').waitFor()
  expect(await page.locator('.avatar img').count()).toBe(0)
  expect([...new Set(requested)]).toEqual([new URL(fixture.server.base).host])
  await page.context().close()
})

test('printing prints the loaded conversation, without the screen around it', async () => {
  const ada = await fixture.browsers.newUser('Ada Lovelace')
  const { page } = ada
  await openChat(page, ada.id)
  const texts = Array.from({ length: 45 }, (_, i) => `note ${i + 1}`)
  await page.evaluate(async (list) => {
    const headers = { 'Content-Type': 'application/json' }
    const { user_id } = (await (await fetch('/users/me')).json()) as { user_id: number }
    for (const content of list)
      await fetch('/messages/send_message', {
        method: 'POST',
        headers,
        body: JSON.stringify({ receiver_id: user_id, content }),
      })
  }, texts)
  await mine(page, 'note 45').waitFor()
  await page.emulateMedia({ media: 'print' })
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')))
  expect(await page.locator('.printed-text').allTextContents()).toEqual(texts)
  expect(await page.locator('.printed').isVisible()).toBe(true)
  expect(await page.locator('.shell').isVisible()).toBe(false)
  expect(await page.evaluate(() => document.documentElement.scrollHeight)).toBeGreaterThan(1_000)
  await page.evaluate(() => dispatchEvent(new Event('afterprint')))
  await page.emulateMedia({ media: 'screen' })
  expect(await page.locator('.printed').count()).toBe(0)
  expect(await page.locator('.shell').isVisible()).toBe(true)
  await page.context().close()
})

test('in forced colours what was a background has a border or the look of the system', async () => {
  const { page, id } = await fixture.browsers.newUser('Ada Lovelace')
  await openChat(page, id)
  await send(page, 'a note')
  await mine(page, 'a note').waitFor()
  await page.emulateMedia({ forcedColors: 'active' })
  const style = (selector: string, property: string) =>
    page.locator(selector).first().evaluate((e, name) => getComputedStyle(e).getPropertyValue(name), property)
  expect(await style('.bubble', 'border-top-style')).toBe('solid')
  expect(await style('.chat-row[aria-current=page]', 'border-inline-start-width')).toBe('6px')
  await field(page).focus()
  expect(await style('.composer-row', 'outline-style')).toBe('solid')
  await openSettings(page)
  await settings(page).waitFor()
  expect(await style('.switch input', 'appearance')).toBe('auto')
  await page.context().close()
})

test('the offer of notifications takes no room on a small screen, nor after an answer', async () => {
  const { page, id } = await fixture.browsers.newUser('Ada Lovelace')
  const ben = await fixture.browsers.newAccount('Ben Okri')
  // Headless Chromium denies notifications.
  await page.addInitScript(() => Object.defineProperty(Notification, 'permission', { value: 'default' }))
  await openChat(page, ben.id)
  await send(page, 'hello')
  const card = page.getByText('Hear about new messages')
  await card.waitFor()
  await page.setViewportSize(PHONE.viewport!)
  await page.goto('/')
  await chatRow(page, 'Ben Okri').waitFor()
  await expect.poll(() => card.count()).toBe(1)
  expect(await card.isVisible()).toBe(false)
  await page.setViewportSize({ width: 1280, height: 800 })
  await button(page, 'Not now').click()
  expect(await card.count()).toBe(0)
  await openChat(page, id)
  expect(await card.count()).toBe(0)
  await page.context().close()
})

describe('with a text of twice the size', () => {
  for (const [screen, options] of Object.entries({ 'a desktop': {}, 'a phone of 360 px': PHONE }))
    test(`nothing overflows and all controls can be reached on ${screen}`, async () => {
      const browsers = await Browsers.launch(fixture.server, '--blink-settings=defaultFontSize=32')
      try {
        const { page, id } = await browsers.newUser(`Ada on ${screen}`, options)
        const check = async () => {
          expect(await overflow(page)).toEqual([])
          expect(await unreachable(page)).toEqual([])
        }
        await openChat(page, id)
        await send(page, 'A note that is long enough to fill more than one line of a narrow screen')
        expect(await page.evaluate(() => getComputedStyle(document.body).fontSize)).toBe('30px')
        await page.locator('.mine').waitFor()
        await check()
        await openSettings(page)
        await settings(page).waitFor()
        await check()
        // Without an answer to `sync`, "Updating…" stays.
        await page.routeWebSocket(/\/ws$/, (socket) => {
          const server = socket.connectToServer()
          socket.onMessage((data) => {
            if ((JSON.parse(String(data)) as { type: string }).type !== 'sync') server.send(data)
          })
        })
        await page.goto('/')
        await chatRow(page, 'Notes to self').waitFor()
        await page.getByText('Updating…').waitFor()
        await check()
      } finally {
        await browsers.close()
      }
    })
})

test('a new build waits until the user accepts it; other tabs keep the assets of the old one', async () => {
  const { page, id } = await fixture.browsers.newUser('Ada Lovelace')
  await serviceWorkerReady(page)
  const other = await page.context().newPage()
  await openChat(page, id)
  await openChat(other, id)
  const old = versionOf(read('index.html'))
  for (const tab of [page, other]) await tab.evaluate(() => ((window as { marker?: number }).marker = 1))
  const marker = (tab: Page) => tab.evaluate(() => (window as { marker?: number }).marker)
  const version = (tab: Page) => tab.locator('meta[name=version]').getAttribute('content')
  const caches = (tab: Page) => tab.evaluate(() => window.caches.keys())
  const lost = readdirSync(join(folder, 'assets')).find((name) => /^Dialogs.*\.js$/.test(name))!

  await field(page).fill('half a sentence')
  newBuild(old, lost)
  await page.evaluate(async () => void (await (await navigator.serviceWorker.getRegistration())!.update()))
  for (const tab of [page, other]) await tab.getByText('A new version is ready.').waitFor()
  expect([await marker(page), await field(page).inputValue()]).toEqual([1, 'half a sentence'])
  // A reload that the user did not ask the notice for stays with the old build.
  await page.reload()
  await page.getByText('A new version is ready.').waitFor()
  expect(await version(page)).toBe(old)

  await button(page, 'Reload').click()
  await expect.poll(() => version(page).catch(() => null)).toBe('newbuild')
  await expect.poll(() => field(page).inputValue()).toBe('half a sentence')
  expect(await page.getByText('A new version is ready.').count()).toBe(0)
  expect([await marker(other), await version(other)]).toEqual([1, old])
  expect(await other.evaluate(async (name) => (await fetch(`/assets/${name}`)).status, lost)).toBe(200)
  expect((await caches(page)).sort()).toEqual([`parley-page-${old}`, 'parley-page-newbuild'].sort())

  await button(other, 'Reload').click()
  await expect.poll(() => version(other).catch(() => null)).toBe('newbuild')
  await expect.poll(() => caches(other)).toEqual(['parley-page-newbuild'])
  await page.context().close()
})

/** Replaces the page by a build that does not have the file `lost`. */
function newBuild(old: string, lost: string): void {
  const change = (name: string, edit: (text: string) => string) => {
    writeFileSync(join(folder, name), edit(read(name)))
    for (const ending of ['br', 'gz']) rmSync(join(folder, `${name}.${ending}`), { force: true })
  }
  change('index.html', (html) => html.replaceAll(old, 'newbuild'))
  change('sw.js', (code) => code.replaceAll(old, 'newbuild').replace(`"/assets/${lost}",`, ''))
  for (const ending of ['', '.br', '.gz']) rmSync(join(folder, 'assets', lost + ending), { force: true })
}

test('no page had a script error or a violation of its content security policy', () => {
  expect(fixture.browsers.violations).toEqual([])
})
