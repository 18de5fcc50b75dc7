// The title and the icons of the page: the open chat and the number of unread messages.

import type { AppState } from './core/state'
import { t } from './i18n'
import { chatName, nameOf } from './ui/format'

export function titleOf({ chats, openChatId, people, me }: AppState): string {
  let unread = 0
  for (const chat of chats.values()) unread += chat.unread
  const name = openName()
  return t.notify.title(unread, name === null ? t.appName : `${name} – ${t.appName}`)

  function openName(): string | null {
    if (openChatId === null || me === null) return null
    const chat = chats.get(openChatId)
    if (chat !== undefined) return chatName(chat, me.user_id)
    if (openChatId === me.user_id) return t.chats.notes
    const person = people.get(openChatId)
    return person === undefined ? null : nameOf(person)
  }
}

export function updateTitle(state: AppState): void {
  const title = titleOf(state)
  if (title === document.title) return
  document.title = title
  const hasUnread = [...state.chats.values()].some((chat) => chat.unread > 0)
  const icon = hasUnread ? '/favicon-unread.svg' : '/favicon.svg'
  document.querySelector<HTMLLinkElement>('link[rel=icon]')!.href = icon
  // The icon of the installed page.
  void (hasUnread ? navigator.setAppBadge?.() : navigator.clearAppBadge?.())?.catch(() => {})
}
