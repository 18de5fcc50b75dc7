// The browser, as the messenger needs it: sockets, locks, other tabs, notifications, a sound.

import { Api } from './core/api'
import { realClock } from './core/clock'
import { Messenger, type Surroundings, type TabNote } from './core/messenger'
import { openOutboxStore } from './core/outbox_store'
import type { RawSocket } from './core/socket'
import { createAppStore } from './core/state'
import type { Message } from './core/types'
import { forgetDrafts, openDrafts } from './drafts'
import { t } from './i18n'
import { prefs } from './prefs'
import { chatName, messageText, senderName } from './ui/format'

const tabs = typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('parley')

/** Whether somebody is looking at this page. */
export const isWatched = () => document.visibilityState === 'visible' && document.hasFocus()

const store = createAppStore()

const around: Surroundings = {
  api: new Api(),
  clock: realClock,
  openSocket: () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    // Its handlers take an event of the browser's own type, of which we look at two fields.
    return new WebSocket(`${scheme}://${location.host}/ws`) as unknown as RawSocket
  },
  openOutbox: openOutboxStore,
  lock: async (name, work) => {
    if ('locks' in navigator) await navigator.locks.request(name, work)
    else await work()
  },
  tell: (note) => tabs?.postMessage(note),
  arrived,
  forget: forgetDrafts,
}

export const messenger = new Messenger(store, around)

export function startPlatform(): void {
  tabs?.addEventListener('message', ({ data }: MessageEvent<TabNote>) => {
    if (data.kind === 'outbox') messenger.outboxChanged(data.userId)
    else if (data.kind === 'signed_out') messenger.signedOutElsewhere()
    else if (store.getState().phase === 'signed_out') void messenger.start()
  })
  addEventListener('online', () => messenger.hurry())
  // It may still be there although the browser thinks otherwise: ask.
  addEventListener('offline', () => messenger.hurry())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') messenger.hurry()
  })
  store.subscribe((state, before) => {
    if (state.me !== null && before.me === null) openDrafts(state.me.user_id)
    if (state.chats !== before.chats) showCount()
  })
  void messenger.start()
}

function showCount(): void {
  let unread = 0
  for (const chat of store.getState().chats.values()) unread += chat.unread
  document.title = t.notify.title(unread, t.appName)
}

// ---- Notifications ---------------------------------------------------------------------------

/** Notifications exist on https and on localhost only. */
export const canNotify = 'Notification' in window && window.isSecureContext

function arrived(message: Message): void {
  if (isWatched() || message.kind !== 'text' || message.deleted) return
  const { notifications, sound } = prefs.getState()
  if (sound) play()
  if (notifications && canNotify && Notification.permission === 'granted') notify(message)
}

function notify(message: Message): void {
  const { people, chats, me } = store.getState()
  const chat = chats.get(message.chat_id)
  if (chat === undefined || me === null) return
  const sender = senderName(people, message.sender_id)
  try {
    // The same tag in every tab: however many are open, one notification is shown.
    const shown = new Notification(
      chat.kind === 'group' ? t.notify.group(sender, chat.name) : chatName(chat, me.user_id),
      { body: messageText(message), tag: `parley-${message.chat_id}`, icon: '/favicon.svg' },
    )
    shown.onclick = () => {
      window.focus()
      history.pushState(null, '', `/c/${message.chat_id}`)
      shown.close()
    }
  } catch {
    // Phones want a service worker for this; the title and the list tell it as well.
  }
}

let audio: AudioContext | null = null

/** Two soft notes, made here: no file to load. */
export function play(): void {
  audio ??= new AudioContext()
  const start = audio.currentTime
  for (const [i, frequency] of [587, 880].entries()) {
    const tone = audio.createOscillator()
    const volume = audio.createGain()
    const at = start + i * 0.11
    tone.frequency.value = frequency
    volume.gain.setValueAtTime(0, at)
    volume.gain.linearRampToValueAtTime(0.08, at + 0.015)
    volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.28)
    tone.connect(volume).connect(audio.destination)
    tone.start(at)
    tone.stop(at + 0.3)
  }
}
