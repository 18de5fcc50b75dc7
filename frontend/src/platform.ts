// The browser side of the core: WebSocket, locks and other tabs.

import { Api } from './core/api'
import { realClock } from './core/clock'
import type { Environment, TabMessage } from './core/environment'
import { Messenger } from './core/messenger'
import { IndexedDbCacheStore } from './core/cache_store'
import { openOutboxStore } from './core/outbox_store'
import type { WebSocketLike } from './core/socket'
import { createAppStore } from './core/state'
import { eraseDrafts, openDrafts } from './drafts'
import { catalogue, t } from './i18n'
import { closeNotifications, notifyUser } from './notifications'
import { erasePlaces } from './places'
import { updateTitle } from './title'
import { openPath } from './ui/navigation'

const tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('parley')

/** True if the page is visible and has the focus. */
export const isPageFocused = () => document.visibilityState === 'visible' && document.hasFocus()

/** How long the page may be busy before it goes on with what is not urgent. */
const IDLE_MS = 300

const store = createAppStore()

const env: Environment = {
  api: new Api(),
  clock: realClock,
  openSocket: () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    // The type of the handlers differs: they declare only the event fields in use.
    return new WebSocket(`${scheme}://${location.host}/ws`) as unknown as WebSocketLike
  },
  openOutbox: (userId) => openOutboxStore(userId, () => messenger.operations.outboxChanged(userId)),
  cache: new IndexedDbCacheStore(),
  lock: async (name, work) => {
    if ('locks' in navigator) await navigator.locks.request(name, work)
    else await work()
  },
  idle: () =>
    new Promise((resolve) => {
      // Safari has no requestIdleCallback.
      if ('requestIdleCallback' in window) requestIdleCallback(() => resolve(), { timeout: IDLE_MS })
      else setTimeout(resolve, IDLE_MS)
    }),
  broadcast: (message) => tabs?.postMessage(message),
  notify: (message) => {
    if (!isPageFocused()) notifyUser(store.getState(), message)
  },
  warn: (warning) => messenger.notices.show('error', t.warnings[warning]),
  eraseDrafts: (userId) => {
    eraseDrafts(userId)
    erasePlaces(userId)
  },
}

export const messenger = new Messenger(store, env)

export function startPlatform(): void {
  tabs?.addEventListener('message', ({ data }: MessageEvent<TabMessage>) => {
    if (data.kind === 'outbox') messenger.operations.outboxChanged(data.userId)
    else if (data.kind === 'signed_out') messenger.session.signedOutElsewhere()
    else if (store.getState().phase === 'signed_out') void messenger.session.start()
  })
  addEventListener('online', () => messenger.reconnect())
  addEventListener('offline', () => messenger.offline())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') messenger.reconnect()
  })
  store.subscribe((state, before) => {
    if (state.me !== null && before.me === null) openDrafts(state.me.user_id)
    if (state.me === null && before.me !== null) void closeNotifications()
    if (state.openChatId !== null && state.openChatId !== before.openChatId)
      void closeNotifications(state.openChatId)
    if (
      state.chats !== before.chats ||
      state.openChatId !== before.openChatId ||
      state.people !== before.people
    )
      updateTitle(state)
  })
  // A notification was pressed (service_worker/sw.ts).
  navigator.serviceWorker?.addEventListener('message', ({ data }: MessageEvent<{ path: string }>) =>
    openPath(data.path),
  )
  catalogue.subscribe(() => updateTitle(store.getState()))
  void messenger.session.start()
}
