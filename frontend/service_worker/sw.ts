// The service worker. It keeps the files of one build, so that the page starts without a connection, and shows
// notifications on systems where a page cannot. Only the files of the page are ever stored: requests for the server's
// interface never pass through here. Push notifications would be received here.
//
// A new build waits until the user accepts it. Then it takes over all tabs. A tab that was not reloaded since still gets
// the assets of its build, because the cache of a build is kept while a tab holds the lock of its name (updates.ts).

declare const self: ServiceWorkerGlobalScope

// plugins/service_worker.ts defines both.
declare const VERSION: string
/** The paths of all files of the build; `/` is index.html. */
declare const FILES: readonly string[]

const CACHE = `parley-page-${VERSION}`
const SERVER_PATHS = /^\/(users|messages|groups|chats|ws|healthz|status|openapi\.json)(\/|$)/

self.addEventListener('install', (event) => event.waitUntil(install()))
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

self.addEventListener('fetch', (event) => {
  const path = fileOf(event.request)
  if (path !== null) event.respondWith(respond(path, event.request))
})

self.addEventListener('message', ({ data }) => {
  if (data === 'take_over') void self.skipWaiting()
  else if (data === 'page_started') void deleteUnusedCaches()
})

self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  event.waitUntil(openPage((event.notification.data as { path: string }).path))
})

async function install(): Promise<void> {
  const cache = await caches.open(CACHE)
  // An asset has a digest in its name. The other files may have changed.
  const mode = (path: string) => (path.startsWith('/assets/') ? 'default' : 'no-cache')
  await cache.addAll(FILES.map((path) => new Request(path, { cache: mode(path) })))
  const index = await cache.match('/')
  if (!(await index!.text()).includes(VERSION)) throw new Error('index.html is not of this build')
}

/** Returns the path of the file that is the response; null if the server responds. */
function fileOf({ method, mode, url }: Request): string | null {
  const { origin, pathname } = new URL(url)
  if (method !== 'GET' || origin !== self.location.origin) return null
  if (FILES.includes(pathname) || pathname.startsWith('/assets/')) return pathname
  return mode === 'navigate' && !SERVER_PATHS.test(pathname) ? '/' : null
}

async function respond(path: string, request: Request): Promise<Response> {
  const options = { ignoreVary: true }
  const own = await caches.match(path, { ...options, cacheName: CACHE })
  return own ?? (await caches.match(path, options)) ?? fetch(request)
}

async function deleteUnusedCaches(): Promise<void> {
  // The cache of a build that is not active yet is in use, although no page holds its lock.
  if (self.registration.installing !== null || self.registration.waiting !== null) return
  for (const name of await caches.keys())
    if (name !== CACHE)
      await navigator.locks.request(name, { ifAvailable: true }, (lock) => lock !== null && caches.delete(name))
}

/** Shows a chat in the tab that was used last, else in a new one. */
async function openPage(path: string): Promise<void> {
  const [page] = await self.clients.matchAll({ type: 'window' })
  if (page === undefined) return void (await self.clients.openWindow(path))
  page.postMessage({ path })
  await page.focus()
}

export {}
