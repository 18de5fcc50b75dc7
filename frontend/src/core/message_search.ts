// The search of messages: what is searched for, the pages of an answer, and the part of a text around a match.

import type { FoundMessage } from './types'

export interface MessageQuery {
  q: string
  /** Only this chat. */
  chat_id?: number
  /** Only messages of this user. */
  from?: number
  /** Times: from this one on, before that one. */
  after?: string
  before?: string
  has?: 'link'
}

/** True if the server answers it: a term of two letters, or a filter that needs none. */
export const isSearchable = ({ q, from, has }: MessageQuery) =>
  [...q.trim()].length >= 2 || /[^\p{ASCII}]/u.test(q.trim()) || (q.trim() === '' && (from !== undefined || has !== undefined))

/** The query string. A cursor is that of the page before. */
export function searchParameters(query: MessageQuery, cursor: string | null): string {
  const values = { ...query, q: query.q.trim(), cursor }
  return new URLSearchParams(
    Object.entries(values).flatMap(([name, value]) => (value == null || value === '' ? [] : [[name, String(value)]])),
  ).toString()
}

/** The beginning of a day of this device, which is given as `2026-03-01`. */
export const startOfDay = (day: string) => new Date(`${day}T00:00`).toISOString()

export interface Piece {
  text: string
  /** True if it matches. */
  marked: boolean
}

/** Characters of a result before the first match, and in all. */
const BEFORE = 32
const LENGTH = 160

/** The part of a text around its first match. Highlights are in UTF-16 code units, as positions in a string are. */
export function snippet({ content, highlights }: Pick<FoundMessage, 'content' | 'highlights'>): Piece[] {
  const text = content ?? ''
  const first = highlights[0]?.[0] ?? 0
  const from = first > BEFORE + 8 ? wordStart(text, first - BEFORE) : 0
  const to = Math.min(text.length, wholePoint(text, from + LENGTH))
  const pieces: Piece[] = []
  const add = (piece: string, marked: boolean) => {
    if (piece !== '') pieces.push({ text: piece, marked })
  }
  let at = from
  add(from > 0 ? '…' : '', false)
  for (const [start, length] of highlights) {
    if (start < at || start + length > to) continue
    add(text.slice(at, start), false)
    add(text.slice(start, start + length), true)
    at = start + length
  }
  add(text.slice(at, to) + (to < text.length ? '…' : ''), false)
  return pieces
}

/** Moves a position behind the next blank, unless it is far. */
function wordStart(text: string, at: number): number {
  const blank = text.indexOf(' ', at)
  return blank >= 0 && blank < at + 16 ? blank + 1 : wholePoint(text, at)
}

/** Moves a position out of the middle of a surrogate pair. */
const wholePoint = (text: string, at: number) => (/[\udc00-\udfff]/.test(text[at] ?? '') ? at + 1 : at)
