// Dates, times, names, events and errors as text.

import { ApiError } from '../core/api'
import { isDeletedAccount, type AppState, type Person } from '../core/state'
import type { Chat, LastMessage, Message } from '../core/types'
import { t } from '../i18n'
import { daysAgo } from './days'

// Words come from the catalogue; the order of day and month and the hour cycle from the browser's locale.
const region = navigator.languages.find((l) => l.split('-')[0] === t.locale) ?? t.locale
const timeFormat = new Intl.DateTimeFormat(region, { hour: 'numeric', minute: '2-digit' })
const weekdayFormat = new Intl.DateTimeFormat(region, { weekday: 'long' })
const shortWeekdayFormat = new Intl.DateTimeFormat(region, { weekday: 'short' })
const dayFormat = new Intl.DateTimeFormat(region, { weekday: 'long', day: 'numeric', month: 'long' })
const yearFormat = new Intl.DateTimeFormat(region, { day: 'numeric', month: 'long', year: 'numeric' })
const shortDayFormat = new Intl.DateTimeFormat(region, { day: 'numeric', month: 'short' })
const shortYearFormat = new Intl.DateTimeFormat(region, { dateStyle: 'short' })
const fullFormat = new Intl.DateTimeFormat(region, { dateStyle: 'full', timeStyle: 'short' })

export const time = (iso: string) => timeFormat.format(new Date(iso))
export const fullTime = (iso: string) => fullFormat.format(new Date(iso))
export const longDate = (iso: string) => yearFormat.format(new Date(iso))

/** The text of the separator between two days. */
export function dayName(iso: string): string {
  const date = new Date(iso)
  const ago = daysAgo(date)
  if (ago === 0) return t.days.today
  if (ago === 1) return t.days.yesterday
  if (ago > 1 && ago < 7) return weekdayFormat.format(date)
  return date.getFullYear() === new Date().getFullYear()
    ? dayFormat.format(date)
    : yearFormat.format(date)
}

/** A short date or time, for the chat list. */
export function shortWhen(iso: string): string {
  const date = new Date(iso)
  const ago = daysAgo(date)
  if (ago <= 0) return timeFormat.format(date)
  if (ago === 1) return t.days.yesterday
  if (ago < 7) return shortWeekdayFormat.format(date)
  return date.getFullYear() === new Date().getFullYear()
    ? shortDayFormat.format(date)
    : shortYearFormat.format(date)
}

export function lastSeen(iso: string | null): string {
  if (iso === null) return t.days.longAgo
  const date = new Date(iso)
  if (Date.now() - date.getTime() < 60_000) return t.days.justNow
  const ago = daysAgo(date)
  const at = timeFormat.format(date)
  if (ago === 0) return t.days.todayAt(at)
  if (ago === 1) return t.days.yesterdayAt(at)
  return t.days.onAt(ago < 7 ? weekdayFormat.format(date) : shortWhen(iso), at)
}

export function nameOf(person: Person | undefined): string {
  if (person === undefined) return t.common.someone
  return isDeletedAccount(person) ? t.common.deletedAccount : person.full_name || person.username
}

/** The name of a sender; null is a deleted account. */
export function senderName(people: AppState['people'], id: number | null | undefined): string {
  return id == null ? t.common.deletedAccount : nameOf(people.get(id))
}

/** The name of the sender of a last message, which may have it. */
export function lastSenderName(people: AppState['people'], last: LastMessage): string {
  const known = last.sender_id == null || people.has(last.sender_id)
  return known ? senderName(people, last.sender_id) : (last.sender_name ?? t.common.someone)
}

export function chatName(chat: Chat, me: number): string {
  if (chat.kind === 'group') return chat.name
  if (chat.chat_id === me) return t.chats.notes
  return chat.peer === null ? t.common.deletedAccount : chat.name || chat.peer.username
}

/** Isolates the text direction of a name from the sentence around it. */
const isolate = (name: string) => `\u2068${name}\u2069`

/** A join, leave or rename as a sentence. */
export function eventText(message: Message, people: AppState['people'], me: number): string {
  const name = (id: number | null | undefined) => isolate(senderName(people, id))
  const actor = message.sender_id === me ? t.common.you : name(message.sender_id)
  const object = message.user_id === me ? t.conversation.youLower : name(message.user_id)
  // The actor is null after that account was deleted; the event then counts as the member's own.
  const bySelf = message.sender_id === message.user_id || message.sender_id === null
  const subject = message.user_id === me ? t.common.you : name(message.user_id)
  switch (message.kind) {
    case 'join':
      if (message.seq === 1) return t.conversation.created(actor)
      return bySelf ? t.conversation.joined(subject) : t.conversation.added(actor, object)
    case 'leave':
      return bySelf ? t.conversation.left(subject) : t.conversation.removed(actor, object)
    case 'rename':
      return t.conversation.renamed(actor, isolate(message.name ?? ''))
    case 'text':
      return messageText(message)
  }
}

/** The text of a message in one line. */
export function messageText(message: Pick<Message, 'content' | 'deleted'>): string {
  return message.deleted || message.content == null
    ? t.conversation.deleted
    : message.content.slice(0, 300).replace(/\s+/g, ' ')
}

/** The message of an error. */
export function errorText(error: unknown): string {
  if (!(error instanceof ApiError)) return t.errors.unknown!
  return codeText(error.code, error.status)
}

export function codeText(code: string, status?: number): string {
  return t.errors[code] ?? t.errors[`http_${status}`] ?? t.errors.unknown!
}

/** The messages of an error by field. */
export function fieldErrors(error: unknown): Record<string, string> {
  if (!(error instanceof ApiError)) return {}
  return Object.fromEntries(
    error.fields.map(({ field, detail }) => [field, t.fields[field] ?? detail]),
  )
}
