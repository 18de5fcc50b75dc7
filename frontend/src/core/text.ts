// What may be sent as a message, and what a message's text is made of.

import { LinkifyIt } from 'linkify-it'

export const CONTENT_MAX_BYTES = 16_384

const encoder = new TextEncoder()

export function byteLength(text: string): number {
  return encoder.encode(text).length
}

/**
 * The text as it is sent: without what no one can see or type and the server refuses or JSON would
 * blow up (control characters, halves of a pair), and without blank lines around it.
 */
export function cleanText(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .replace(/^\s*\n|\s+$/g, '')
}

/** Nothing to be seen in it: white space and zero-width characters only. */
export function isBlank(text: string): boolean {
  return /^[\s\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*$/.test(text)
}

export type Piece = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string }

// Links are those that say so (http://, https://, www.) and addresses of mail: a chat among people
// who write `notes.md` and `main.rs` would otherwise be full of wrong ones.
const linkify = new LinkifyIt({ fuzzyLink: true, fuzzyEmail: true }).add('ftp:', null).add('//', null)

/** Cuts a text into plain pieces and links. A link is http, https or mailto, whatever the text says. */
export function cutLinks(text: string): Piece[] {
  const matches = linkify.match(text)
  if (matches === null) return [{ kind: 'text', text }]
  const pieces: Piece[] = []
  let at = 0
  for (const match of matches) {
    if (match.schema === '' && !/^www\./i.test(match.raw)) continue
    const href = safeHref(match.schema === '' ? `https://${match.raw}` : match.url)
    if (href === null) continue
    if (match.index > at) pieces.push({ kind: 'text', text: text.slice(at, match.index) })
    pieces.push({ kind: 'link', text: text.slice(match.index, match.lastIndex), href })
    at = match.lastIndex
  }
  if (at < text.length) pieces.push({ kind: 'text', text: text.slice(at) })
  return pieces
}

function safeHref(url: string): string | null {
  try {
    const parsed = new URL(url)
    return ['http:', 'https:', 'mailto:'].includes(parsed.protocol) ? parsed.href : null
  } catch {
    return null
  }
}

const EMOJI = /^(?:\p{RI}\p{RI}|\p{Emoji}(?:\p{EMod}|\ufe0f\u20e3?)?(?:\u200d\p{Emoji}(?:\p{EMod}|\ufe0f)?)*)+$/u

/** One to three emoji and nothing else. */
export function isBigEmoji(text: string): boolean {
  if (text.length > 60 || /[\d#*\s]/.test(text) || !EMOJI.test(text)) return false
  const segments = [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)]
  return segments.length <= 3
}

/** One or two letters to stand for a name without a picture. */
export function initials(name: string): string {
  const words = name
    .replace(/[\p{Cc}\p{Cf}]/gu, '')
    .split(/\s+/)
    .filter((word) => /[\p{L}\p{N}\p{Emoji_Presentation}]/u.test(word))
  const first = (word: string) =>
    [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(word)].find((s) =>
      /[\p{L}\p{N}\p{Emoji_Presentation}]/u.test(s.segment),
    )?.segment ?? ''
  const picked = words.length > 1 ? [words[0]!, words.at(-1)!] : words
  // A letter under fifty accents is one letter.
  return picked.map((word) => [...first(word).normalize('NFC')].slice(0, 2).join('')).join('').toUpperCase() || '?'
}
