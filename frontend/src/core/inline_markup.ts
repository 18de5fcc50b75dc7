// The formatting within a paragraph: **bold**, *italic* or _italic_, ~~struck out~~, `code`, addresses and
// [named links](https://example.org).
//
// A marker counts only at the edge of a word, so that 2*3*4, snake_case and __init__ are text. As in CommonMark, code and
// addresses bind closest. Unlike there, a kind of marker is open at most once, which bounds the depth of the tree.

import { findLinks, linkTo, type Link } from './links'
import { isBlank } from './text'

type Emphasis = 'strong' | 'em' | 'del'

export type Inline =
  | { kind: 'text' | 'code'; text: string; children: null }
  | { kind: Emphasis; children: readonly Inline[] }
  | LinkNode

export type LinkNode = Pick<Link, 'href' | 'host'> & { kind: 'link' } & (
    | { text: string; children: null }
    /** The name of a link whose address is not in the text. */
    | { children: readonly Inline[] }
  )

type Marker = '*' | '**' | '_' | '~~'
const EMPHASIS: Record<Marker, Emphasis> = { '*': 'em', '**': 'strong', _: 'em', '~~': 'del' }
/** The markers in a run of characters. Other runs are text. */
const MARKERS = new Map<string, readonly Marker[]>([
  ['*', ['*']],
  ['**', ['**']],
  ['***', ['**', '*']],
  ['_', ['_']],
  ['~~', ['~~']],
])

const SPECIAL = /[`*_~[.@]|:\/\//
const RUN = /\*+|_+|~+|[[\]]/g

/** What the parser has found so far: nodes, and the begin and end of what encloses them. */
type Token =
  | Extract<Inline, { children: null }>
  | { begin: { kind: Emphasis } | Pick<LinkNode, 'kind' | 'href' | 'host'> }
  | 'end'

type Atom = { start: number; end: number; code: string } | (Link & { code?: undefined })

/** Parses a paragraph. `isCut` is true if more text follows. */
export function parseInline(text: string, isCut = false): Inline[] {
  return SPECIAL.test(text) ? new InlineParser(text, isCut).parse() : [{ kind: 'text', text, children: null }]
}

class InlineParser {
  private readonly tokens: Token[] = []
  /** Open markers → the index of their token. */
  private readonly open = new Map<Marker, number>()
  /** Open brackets: the index of their token, and their position. */
  private brackets: { token: number; at: number }[] = []
  /** Code and addresses, which no marker divides. */
  private readonly atoms: Atom[]
  private nextAtom = 0
  /** The text before this position is in the tokens. */
  private at = 0

  constructor(
    private readonly text: string,
    private readonly isCut: boolean,
  ) {
    const codes = findCode(text)
    this.atoms = [...codes, ...findLinks(forLinks(text, codes))].sort((a, b) => a.start - b.start)
  }

  parse(): Inline[] {
    let run = this.findRun()
    for (;;) {
      const atom = this.atoms[this.nextAtom]
      const start = atom?.start ?? this.text.length
      if (run !== null && run.index < start) {
        this.addText(run.index)
        this.at += run[0].length
        this.addRun(run[0], run.index)
        run = this.findRun()
      } else if (atom !== undefined) {
        this.addText(start)
        this.nextAtom++
        this.addAtom(atom)
        if ((run !== null && run.index < this.at) || this.at < atom.end) run = this.findRun()
      } else break
    }
    this.addText(this.text.length)
    return treeOf(this.tokens)
  }

  private findRun(): RegExpExecArray | null {
    RUN.lastIndex = this.at
    return RUN.exec(this.text)
  }

  private addText(end: number): void {
    if (end > this.at) this.tokens.push({ kind: 'text', text: this.text.slice(this.at, end), children: null })
    this.at = end
  }

  private addAtom(atom: Atom): void {
    if (atom.code !== undefined) {
      this.tokens.push({ kind: 'code', text: atom.code, children: null })
      this.at = atom.end
      return
    }
    const end = this.withoutMarker(atom)
    const text = this.text.slice(atom.start, end)
    const link = end === atom.end ? atom : linkTo(text)
    this.at = end
    if (link === null || (this.isCut && atom.end === this.text.length)) this.tokens.push({ kind: 'text', text, children: null })
    else {
      this.tokens.push({ kind: 'link', href: link.href, host: link.host, text, children: null })
      // A link is in no other link.
      this.brackets = []
    }
  }

  /** The end of an address without the marker that closes an open one: an address may contain all of them. */
  private withoutMarker({ start, end }: Link): number {
    const run = /(?:\*+|_+|~+)$/.exec(this.text.slice(Math.max(start, end - 3), end))?.[0]
    return MARKERS.get(run ?? '')?.some((marker) => this.open.has(marker)) ? end - run!.length : end
  }

  private addRun(run: string, at: number): void {
    if (run === '[') this.brackets.push({ token: this.addMark(run), at })
    else if (run === ']') this.endBracket(at)
    else this.addMarkers(run, at)
  }

  /** Adds text that may become the begin of something. Returns the index of its token. */
  private addMark(text: string): number {
    return this.tokens.push({ kind: 'text', text, children: null }) - 1
  }

  private addMarkers(run: string, at: number): void {
    let markers = MARKERS.get(run)
    if (markers === undefined) {
      this.addMark(run)
      return
    }
    const before = this.text[at - 1] ?? ' '
    const after = this.text.slice(at + run.length, at + run.length + 2)
    if (!isSpace(before) && !joinsAfter(run, after)) {
      const openNow = markers.filter((marker) => this.open.has(marker))
      const innermostFirst = openNow.sort((a, b) => this.open.get(b)! - this.open.get(a)!)
      for (const marker of innermostFirst) this.endEmphasis(marker)
      markers = markers.filter((marker) => !innermostFirst.includes(marker))
    }
    const canBegin = after !== '' && !isSpace(after[0]!) && !joinsBefore(before, run)
    for (const marker of markers) {
      const token = this.addMark(marker)
      if (canBegin) this.open.set(marker, token)
    }
  }

  private endEmphasis(marker: Marker): void {
    const { open, tokens } = this
    const [strong, em] = [open.get('**'), open.get('*')]
    if (marker === '**' && strong !== undefined && em === strong + 1) {
      // Both are of one `***`, of which any may be the inner one.
      open.set('*', strong).set('**', em)
      ;[tokens[strong], tokens[em]] = [tokens[em]!, tokens[strong]!]
    }
    const begin = open.get(marker)!
    tokens[begin] = { begin: { kind: EMPHASIS[marker] } }
    tokens.push('end')
    this.forgetAfter(begin - 1)
  }

  /** What began after a token and has not ended is text. */
  private forgetAfter(token: number): void {
    for (const [marker, begin] of this.open) if (begin > token) this.open.delete(marker)
    while (this.brackets.length > 0 && this.brackets.at(-1)!.token > token) this.brackets.pop()
  }

  private endBracket(at: number): void {
    const bracket = this.brackets.pop()
    const atom = this.atoms[this.nextAtom]
    if (
      bracket === undefined ||
      atom === undefined ||
      atom.code !== undefined ||
      atom.start !== at + 2 ||
      this.text[at + 1] !== '(' ||
      this.text[atom.end] !== ')' ||
      isBlank(this.text.slice(bracket.at + 1, at))
    ) {
      this.addMark(']')
      return
    }
    // The reader sees where a named link leads.
    const host = /^mailto:/.test(atom.href) ? this.text.slice(atom.start, atom.end) : new URL(atom.href).host
    this.tokens[bracket.token] = { begin: { kind: 'link', href: atom.href, host } }
    this.tokens.push('end')
    this.forgetAfter(bracket.token)
    this.brackets = []
    this.nextAtom++
    this.at = atom.end + 1
  }
}

/** Finds code: from a run of backticks to the next one of the same length. */
function findCode(text: string): Extract<Atom, { code: string }>[] {
  if (!text.includes('`')) return []
  const runs = [...text.matchAll(/`+/g)].map((run) => ({ start: run.index, length: run[0].length }))
  /** The index of the next run with the same length. */
  const next: (number | undefined)[] = []
  const latest = new Map<number, number>()
  for (let i = runs.length - 1; i >= 0; i--) {
    next[i] = latest.get(runs[i]!.length)
    latest.set(runs[i]!.length, i)
  }
  const found = []
  for (let i = 0; i < runs.length; i++) {
    const { start, length } = runs[i]!
    const last = next[i]
    if (last === undefined) continue
    const end = runs[last]!.start
    const code = text.slice(start + length, end)
    // One space on both sides separates backticks in the code from the markers.
    const isPadded = code.startsWith(' ') && code.endsWith(' ') && code.trim() !== ''
    found.push({ start, end: end + length, code: isPadded ? code.slice(1, -1) : code })
    i = last
  }
  return found
}

const BEFORE_WORD = /(?<![\p{L}\p{M}\p{N}/\\@#&=*_~])[*_~]+(?=[\p{L}\p{N}])/gu

/** Returns the text with spaces in place of code and of the markers before words, which would hide an address. */
function forLinks(text: string, codes: readonly { start: number; end: number }[]): string {
  const parts = []
  let at = 0
  for (const { start, end } of codes) {
    parts.push(text.slice(at, start), ' '.repeat(end - start))
    at = end
  }
  return [...parts, text.slice(at)].join('').replace(BEFORE_WORD, (run) => ' '.repeat(run.length))
}

const isSpace = (char: string) => /\s/.test(char)
// Scripts that write words without spaces between them, or join particles to them.
const NO_SPACES =
  /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Bopo}\p{sc=Thai}\p{sc=Laoo}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}]/u

/** True if a character before a run of markers makes them part of a word, a path or an expression. */
const joinsBefore = (char: string, run: string) =>
  isWord(char, run) || /[\\@#&=]/.test(char) || (char === '/' && run.length === 1)

/** The same for the two characters after a run. Underscores are frequent in names of files. */
const joinsAfter = (run: string, chars: string) =>
  isWord(chars[0] ?? '', run) || (run === '_' && /^(?:[/\\@#&=]|[.:-][\p{L}\p{N}])/u.test(chars))

const isWord = (char: string, run: string) =>
  /[\p{L}\p{M}\p{N}]/u.test(char) && (run === '_' || !NO_SPACES.test(char))

function treeOf(tokens: readonly Token[]): Inline[] {
  const root: Inline[] = []
  const parents: Inline[][] = [root]
  for (const token of tokens) {
    const siblings = parents.at(-1)!
    if (token === 'end') parents.pop()
    else if ('begin' in token) {
      const children: Inline[] = []
      siblings.push({ ...token.begin, children })
      parents.push(children)
    } else {
      const last = siblings.at(-1)
      if (token.kind === 'text' && last?.kind === 'text') last.text += token.text
      else siblings.push({ ...token })
    }
  }
  return root
}
