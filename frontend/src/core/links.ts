// The links in a text, and the addresses that they lead to.

import { LinkifyIt } from 'linkify-it'

export interface Link {
  start: number
  end: number
  /** http, https or mailto. */
  href: string
  /** The host in ASCII if the text may look like another host; null otherwise. */
  host: string | null
}

/** Top-level domains that a name needs if it has no scheme, in addition to those of two letters and of linkify-it. */
const MORE_TLDS =
  'app art blog chat cloud club community dev email mil mobi news online page shop site social space store tech wiki world xyz'

const linkify = new LinkifyIt({ fuzzyLink: true, fuzzyEmail: true })
  .add('ftp:', null)
  .add('//', null)
  .tlds(MORE_TLDS.split(' '), true)

/** Ends of file names and of names in programs. As a domain they need www. or a path: `docs.rs/serde`. */
const FILE_NAME = /^(?!www\.)[^/]*\.(?:ac|am|as|bz|cc|la|md|mk|ml|mm|mo|name|pm|ps|py|rs|sc|sh|so|st|sv|vi|web)$/i

/** Characters that change the order of others. A link ends before them: they could make it look like another one. */
const BIDI_CONTROLS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Returns the links of a text in their order. The time is linear in the length of the text. */
export function findLinks(text: string): Link[] {
  if (!/[.@]|:\/\//.test(text)) return []
  const links: Link[] = []
  for (const { schema, raw, index, lastIndex } of linkify.match(text.replace(BIDI_CONTROLS, ' ')) ?? []) {
    const isDomain = schema === ''
    if (isDomain && FILE_NAME.test(raw)) continue
    const link = linkTo(raw)
    if (link !== null) links.push({ start: index, end: lastIndex, ...link })
  }
  return links
}

/** Returns the address of a link by its text, as findLinks() found it; null if it has none that may be followed. */
export function linkTo(raw: string): Pick<Link, 'href' | 'host'> | null {
  const url = parseUrl(/^(?:https?|mailto):/i.test(raw) ? raw : /^[^/?#]*@/.test(raw) ? `mailto:${raw}` : `https://${raw}`)
  if (url === null || !['http:', 'https:', 'mailto:'].includes(url.protocol)) return null
  return { href: url.href, host: looksLikeAnother(raw) ? url.hostname : null }
}

function parseUrl(url: string): URL | null {
  try {
    return new URL(url)
  } catch {
    return null
  }
}

/** True if a host has ASCII letters and letters beside those of western Europe, which may look like ASCII letters. */
function looksLikeAnother(raw: string): boolean {
  const host = /^(?:https?:\/\/)?([^/?#]*)/i.exec(raw)![1]!
  return /[a-z]/i.test(host) && /[^\0-\x7fß-öø-ÿ]/i.test(host)
}
