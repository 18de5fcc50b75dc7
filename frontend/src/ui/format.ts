// Dates, times, names, events and errors as text.

import { ApiError } from '../core/api'
import { isDeletedAccount, type AppState, type Person } from '../core/state'
import { parseMarkup, plainText } from '../core/markup'
import type { Chat, LastMessage, Message } from '../core/types'
import { dates, t } from '../i18n'
import { prefs } from '../prefs'
import { daysAgo } from './days'

export const time = (iso: string) => dates.time.format(new Date(iso))
export const fullTime = (iso: string) => dates.full.format(new Date(iso))
export const longDate = (iso: string) => dates.year.format(new Date(iso))

/** The text of the separator between two days. */
export function dayName(iso: string): string {
  const date = new Date(iso)
  const ago = daysAgo(date)
  if (ago === 0) return t.days.today
  if (ago === 1) return t.days.yesterday
  if (ago > 1 && ago < 7) return dates.weekday.format(date)
  return date.getFullYear() === new Date().getFullYear()
    ? dates.day.format(date)
    : dates.year.format(date)
}

/** A short date or time, for the chat list. */
export function shortWhen(iso: string): string {
  const date = new Date(iso)
  const ago = daysAgo(date)
  if (ago <= 0) return dates.time.format(date)
  if (ago === 1) return t.days.yesterday
  if (ago < 7) return dates.shortWeekday.format(date)
  return date.getFullYear() === new Date().getFullYear()
    ? dates.shortDay.format(date)
    : dates.shortYear.format(date)
}

export function lastSeen(iso: string | null): string {
  if (iso === null) return t.days.longAgo
  const date = new Date(iso)
  if (Date.now() - date.getTime() < 60_000) return t.days.justNow
  const ago = daysAgo(date)
  const at = dates.time.format(date)
  if (ago === 0) return t.days.todayAt(at)
  if (ago === 1) return t.days.yesterdayAt(at)
  return t.days.onAt(ago < 7 ? dates.weekday.format(date) : shortWhen(iso), at)
}

export function nameOf(person: Person | undefined): string {
  if (person === undefined) return t.common.someone
  return isDeletedAccount(person) ? t.common.deletedAccount : person.full_name
}

/** The name of a sender; null is a deleted account. */
export function senderName(people: AppState['people'], id: number | null | undefined): string {
  return id == null ? t.common.deletedAccount : nameOf(people.get(id))
}

/** The name of the sender of a last message, which may have it. */
export function lastSenderName(people: AppState['people'], last: LastMessage): string {
  const isKnown = last.sender_id == null || people.has(last.sender_id)
  return (isKnown ? undefined : last.sender_name) ?? senderName(people, last.sender_id)
}

export function chatName(chat: Chat, me: number): string {
  if (chat.kind === 'group') return chat.name
  if (chat.chat_id === me) return t.chats.notes
  return chat.peer === null ? t.common.deletedAccount : chat.name
}

/** A join, leave or rename as a sentence. */
export function eventText(message: Message, people: AppState['people'], me: number): string {
  const actor = message.sender_id
  const object = message.user_id
  const by = senderName(people, actor)
  const who = senderName(people, object)
  // The actor is null after that account was deleted; the event then counts as the member's own.
  const bySelf = actor === object || actor === null
  switch (message.kind) {
    case 'join':
      if (message.seq === 1) return actor === me ? t.events.youCreated : t.events.created(by)
      if (bySelf) return object === me ? t.events.youJoined : t.events.joined(who)
      if (actor === me) return t.events.youAdded(who)
      return object === me ? t.events.addedYou(by) : t.events.added(by, who)
    case 'leave':
      if (bySelf) return object === me ? t.events.youLeft : t.events.left(who)
      if (actor === me) return t.events.youRemoved(who)
      return object === me ? t.events.removedYou(by) : t.events.removed(by, who)
    case 'rename': {
      const name = message.name ?? ''
      return actor === me ? t.events.youRenamed(name) : t.events.renamed(by, name)
    }
    case 'text':
      return messageText(message)
  }
}

/** The text of a message in one line, without its markers. */
export function messageText(message: Partial<Pick<Message, 'content' | 'deleted'>>): string {
  return message.deleted || message.content == null ? t.conversation.deleted : lineOf(message.content)
}

/** The begin of a text in one line, without its markers. */
export function lineOf(content: string): string {
  const begin = content.slice(0, 300)
  const words = prefs.getState().formatting ? plainText(parseMarkup(begin, true)) : begin
  return words.replace(/\s+/g, ' ').trim()
}

/** An error with a message for the user. */
export class UserError extends Error {}

/** The message of an error. */
export function errorText(error: unknown): string {
  if (error instanceof UserError) return error.message
  if (!(error instanceof ApiError)) return t.errors.unknown
  return codeText(error.code, error.status)
}

export function codeText(code: string, status?: number): string {
  const texts: Readonly<Record<string, string>> = t.errors
  return texts[code] ?? texts[`http_${status}`] ?? t.errors.unknown
}

/** The messages of an error by field. */
export function fieldErrors(error: unknown): Record<string, string> {
  if (!(error instanceof ApiError)) return {}
  const texts: Readonly<Record<string, string>> = t.fields
  return Object.fromEntries(error.fields.map(({ field, detail }) => [field, texts[field] ?? detail]))
}
