// The browser side of the core: WebSocket, locks, other tabs, notifications and sound.

import { Api } from './core/api'
import { realClock } from './core/clock'
import type { Environment, TabMessage } from './core/environment'
import { Messenger } from './core/messenger'
import { openOutboxStore } from './core/outbox_store'
import type { WebSocketLike } from './core/socket'
import { createAppStore } from './core/state'
import type { Message } from './core/types'
import { eraseDrafts, openDrafts } from './drafts'
import { catalogue, t } from './i18n'
import { erasePlaces } from './places'
import { prefs } from './prefs'
import { chatName, messageText, senderName } from './ui/format'

const tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('parley')

/** True if the page is visible and has the focus. */
export const isPageFocused = () => document.visibilityState === 'visible' && document.hasFocus()

const store = createAppStore()

const env: Environment = {
  api: new Api(),
  clock: realClock,
  openSocket: () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    // The type of the handlers differs: they declare only the event fields in use.
    return new WebSocket(`${scheme}://${location.host}/ws`) as unknown as WebSocketLike
  },
  openOutbox: openOutboxStore,
  lock: async (name, work) => {
    if ('locks' in navigator) await navigator.locks.request(name, work)
    else await work()
  },
  broadcast: (message) => tabs?.postMessage(message),
  notify: notifyUser,
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
  // The browser may be wrong about that: a ping shows whether the connection still works.
  addEventListener('offline', () => messenger.reconnect())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') messenger.reconnect()
  })
  store.subscribe((state, before) => {
    if (state.me !== null && before.me === null) openDrafts(state.me.user_id)
    if (state.chats !== before.chats) updateTitle()
  })
  catalogue.subscribe(updateTitle)
  void messenger.session.start()
}

/** Shows the number of unread messages in the title. */
function updateTitle(): void {
  let unread = 0
  for (const chat of store.getState().chats.values()) unread += chat.unread
  document.title = t.notify.title(unread, t.appName)
}

// ---- Notifications ---------------------------------------------------------------------------

/** Browsers offer notifications on https and localhost only. */
export const canNotify = 'Notification' in window && window.isSecureContext

function notifyUser(message: Message): void {
  if (isPageFocused() || message.kind !== 'text' || message.deleted) return
  const { notifications, sound } = prefs.getState()
  if (sound) playSound()
  if (notifications && canNotify && Notification.permission === 'granted') showNotification(message)
}

function showNotification(message: Message): void {
  const { people, chats, me } = store.getState()
  const chat = chats.get(message.chat_id)
  if (chat === undefined || me === null) return
  const sender = senderName(people, message.sender_id)
  try {
    // The tag is the same in all tabs, so that only one notification is shown.
    const notification = new Notification(
      chat.kind === 'group' ? t.notify.group(sender, chat.name) : chatName(chat, me.user_id),
      { body: messageText(message), tag: `parley-${message.chat_id}`, icon: '/favicon.svg' },
    )
    notification.onclick = () => {
      window.focus()
      history.pushState(null, '', `/c/${message.chat_id}`)
      notification.close()
    }
  } catch {
    // Mobile browsers require a service worker for notifications.
  }
}

let audio: AudioContext | null = null

/** Plays two tones, which need no file. */
export function playSound(): void {
  audio ??= new AudioContext()
  const start = audio.currentTime
  for (const [i, frequency] of [587, 880].entries()) {
    const oscillator = audio.createOscillator()
    const gain = audio.createGain()
    const at = start + i * 0.11
    oscillator.frequency.value = frequency
    gain.gain.setValueAtTime(0, at)
    gain.gain.linearRampToValueAtTime(0.08, at + 0.015)
    gain.gain.exponentialRampToValueAtTime(0.0001, at + 0.28)
    oscillator.connect(gain).connect(audio.destination)
    oscillator.start(at)
    oscillator.stop(at + 0.3)
  }
}
