// The text of messages and names: what may be sent, and what it consists of.

export const CONTENT_MAX_BYTES = 16_384

const encoder = new TextEncoder()

export function byteLength(text: string): number {
  return encoder.encode(text).length
}

/**
 * Returns the text as it is sent: without control characters, leading blank lines and trailing white
 * space, and with lone surrogates replaced. The server refuses NUL and lone surrogates; JSON escapes
 * the other controls to six times their size.
 */
export function cleanText(text: string): string {
  const clean = text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .trimEnd()
  // Not by a regular expression: /\s+$/ takes quadratic time.
  const firstVisible = clean.length - clean.trimStart().length
  return clean.slice(clean.lastIndexOf('\n', firstVisible) + 1)
}

const RTL = /[\p{sc=Hebr}\p{sc=Arab}\p{sc=Syrc}\p{sc=Thaa}\p{sc=Nkoo}\p{sc=Adlm}\p{sc=Rohg}\p{sc=Mand}\p{sc=Samr}]/u

/** Returns the direction of the first letter of a text, as `dir="auto"` does. */
export function directionOf(text: string): 'ltr' | 'rtl' {
  return RTL.test(/\p{L}/u.exec(text)?.[0] ?? '') ? 'rtl' : 'ltr'
}

// Where a text may be divided, the best place first: between paragraphs, lines, words.
const BREAKS = ['\n\n', '\n', ' ']

/**
 * Divides a text into the messages in which it is sent, each as cleanText() returns it and of at most
 * `maxBytes`. Returns none if the text is blank. No message is less than half full because of a break.
 */
export function splitText(text: string, maxBytes = CONTENT_MAX_BYTES): string[] {
  const parts: string[] = []
  const buffer = new Uint8Array(maxBytes)
  let rest = cleanText(text)
  while (rest.length * 3 > maxBytes) {
    // Reads whole code points only.
    const { read } = encoder.encodeInto(rest.slice(0, maxBytes), buffer)
    if (read === rest.length) break
    const end = breakBefore(rest, read)
    parts.push(rest.slice(0, end))
    rest = rest.slice(end)
  }
  return [...parts, rest].map(cleanText).filter((part) => !isBlank(part))
}

/** Returns the best place for a break that is at most at `max`, and not inside of a grapheme. */
function breakBefore(text: string, max: number): number {
  let end = max
  for (const mark of BREAKS) {
    const at = text.lastIndexOf(mark, max - mark.length)
    if (at < max / 2) continue
    end = at + mark.length
    break
  }
  const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text.slice(0, end + 100))
  // A grapheme may be longer than a message.
  return graphemes.containing(end)?.index || end
}

// The rule of visible text, which the server applies to names: a text is visible if at least one of
// its code points is not in the following class.
//   - White_Space, Default_Ignorable_Code_Point (Unicode properties)
//   - Cc, Cf, Cs: controls, format characters, lone surrogates (general categories)
//   - U+2800 BRAILLE PATTERN BLANK, U+1D159 MUSICAL SYMBOL NULL NOTEHEAD: symbols with a blank glyph
// Unassigned code points (Cn) are visible, apart from the default ignorable ones: they are the emoji
// of a Unicode version that is newer than the browser's.
const INVISIBLE = String.raw`[\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Cs}\u2800\u{1d159}]`
const ALL_INVISIBLE = new RegExp(`^${INVISIBLE}*$`, 'u')
const EACH_INVISIBLE = new RegExp(INVISIBLE, 'gu')

/** True if no code point of the text is visible. */
export function isBlank(text: string): boolean {
  return ALL_INVISIBLE.test(text)
}

const EMOJI = /^(?:\p{RI}\p{RI}|\p{Emoji}(?:\p{EMod}|\ufe0f\u20e3?)?(?:\u200d\p{Emoji}(?:\p{EMod}|\ufe0f)?)*)+$/u

/** True if the text consists of one to three emoji. */
export function isEmojiOnly(text: string): boolean {
  if (text.length > 60 || /[\d#*\s]/.test(text) || !EMOJI.test(text)) return false
  const segments = [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)]
  return segments.length <= 3
}

/** Returns one or two letters, shown in place of a profile picture. */
export function initials(name: string): string {
  const words = name
    .split(/\s+/)
    .map((word) => word.replace(EACH_INVISIBLE, ''))
    .filter((word) => /[\p{L}\p{N}\p{Emoji_Presentation}]/u.test(word))
  const first = (word: string) =>
    [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(word)].find((s) =>
      /[\p{L}\p{N}\p{Emoji_Presentation}]/u.test(s.segment),
    )?.segment ?? ''
  const picked = words.length > 1 ? [words[0]!, words.at(-1)!] : words
  // NFC and the limit of two code points drop stacked combining marks.
  return picked.map((word) => [...first(word).normalize('NFC')].slice(0, 2).join('')).join('').toUpperCase() || '?'
}
