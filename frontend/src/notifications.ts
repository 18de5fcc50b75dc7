// Notifications and the sound of new messages.

import type { AppState } from './core/state'
import type { Message } from './core/types'
import { t } from './i18n'
import { prefs } from './prefs'
import { chatName, messageText, senderName } from './ui/format'
import { serviceWorker } from './updates'
import { openPath } from './ui/navigation'

/** Browsers offer notifications on https and localhost only. */
export const canNotify = 'Notification' in window && window.isSecureContext

/** Of a notification. The service worker uses `path`. */
interface Data {
  path: string
  seq: number
}

const tagOf = (chatId: number) => `parley-${chatId}`

/** Notifies the user of a message, while the page is not in front. */
export function notifyUser(state: AppState, message: Message): void {
  if (message.kind !== 'text' || message.deleted) return
  const { notifications, sound } = prefs.getState()
  if (sound) playSound()
  if (notifications && canNotify && Notification.permission === 'granted') void show(state, message)
}

async function show({ people, chats, me }: AppState, message: Message): Promise<void> {
  const chat = chats.get(message.chat_id)
  if (chat === undefined || me === null) return
  const sender = senderName(people, message.sender_id)
  const title = chat.kind === 'group' ? t.notify.group(sender, chat.name) : chatName(chat, me.user_id)
  const tag = tagOf(message.chat_id)
  const data: Data = { path: `/c/${message.chat_id}`, seq: message.seq }
  // A chat has one notification, which rings again for each message.
  const options = { body: messageText(message), tag, renotify: true, icon: '/icon-192.png', data }
  const worker = serviceWorker()
  if (worker === null) return showWithoutWorker(title, options)
  // All tabs receive the message; the first one shows it.
  await navigator.locks.request('parley-notify', async () => {
    const shown = await worker.getNotifications({ tag })
    if (shown.some((notification) => (notification.data as Data).seq >= message.seq)) return
    await worker.showNotification(title, options).catch(() => {})
  })
}

/** Not possible on Android. */
function showWithoutWorker(title: string, options: Omit<NotificationOptions, 'data'> & { data: Data }): void {
  try {
    const notification = new Notification(title, options)
    notification.onclick = () => {
      window.focus()
      openPath(options.data.path)
      notification.close()
    }
  } catch {
    // Without a service worker there are no notifications.
  }
}

/** Removes the notifications of a chat, which is open now, or of all chats. */
export async function closeNotifications(chatId?: number): Promise<void> {
  const filter = chatId === undefined ? {} : { tag: tagOf(chatId) }
  for (const notification of (await serviceWorker()?.getNotifications(filter)) ?? []) notification.close()
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
