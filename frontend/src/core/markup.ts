// The formatting of messages: bold, italic, struck out, code, quotes, lists and links. The result is a tree, from which
// the page makes elements. A marker that is not closed is text. All work is linear in the length of the text.

import { parseInline, type Inline } from './inline_markup'
import { findLinks } from './links'

export type { Inline } from './inline_markup'

export type Block =
  | { kind: 'text'; children: readonly Inline[] }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'quote'; children: readonly Block[] }
  | List

export interface List {
  kind: 'list'
  ordered: boolean
  items: readonly ListItem[]
}

export interface ListItem {
  /** The number of an ordered item, as it was written. */
  value: number
  children: readonly Inline[]
  lists: readonly List[]
}

/** Quotes in quotes and lists in lists that are deeper are text. */
const MAX_DEPTH = 3

const FENCE = /^ {0,3}(`{3,})([^`]*)$/
const QUOTE = /^>(?: |$)/
const ITEM = /^([ \t]*)(?:[-*•]|(0|[1-9]\d{0,8})[.)])[ \t]+(?=\S)/
const LANGUAGE = /^[\w+#.-]{1,20}$/

/**
 * Returns the blocks of a text. `isCut` is true if the text is the beginning of a longer one: a code block without an
 * end goes to the end of the text, and a link at the end is text, because its address may be incomplete.
 */
export function parseMarkup(text: string, isCut = false): Block[] {
  return parseBlocks(text.split('\n'), 0, isCut)
}

/** Returns a text as it was written, in which only addresses are links. */
export function parsePlain(text: string, isCut = false): Block[] {
  const children: Inline[] = []
  let at = 0
  const addText = (end: number) => {
    if (end > at) children.push({ kind: 'text', text: text.slice(at, end), children: null })
  }
  for (const { start, end, href, host } of findLinks(text)) {
    if (isCut && end === text.length) continue
    addText(start)
    children.push({ kind: 'link', href, host, children: null, text: text.slice(start, end) })
    at = end
  }
  addText(text.length)
  return [{ kind: 'text', children }]
}

/** True if the text has more than words and links. */
export function hasMarkup(blocks: readonly Block[]): boolean {
  return blocks.some(
    (block) =>
      block.kind !== 'text' ||
      block.children.some(({ kind, children }) => kind !== 'text' && (kind !== 'link' || children !== null)),
  )
}

/** Returns the words of a text without its markers. */
export function plainText(blocks: readonly Block[]): string {
  return blocks.map(blockText).join('\n')
}

function blockText(block: Block): string {
  switch (block.kind) {
    case 'text':
      return inlineText(block.children)
    case 'code':
      return block.text
    case 'quote':
      return plainText(block.children)
    case 'list':
      return block.items.map((item) => [inlineText(item.children), ...item.lists.map(blockText)].join('\n')).join('\n')
  }
}

function inlineText(nodes: readonly Inline[]): string {
  return nodes.map((node) => (node.children === null ? node.text : inlineText(node.children))).join('')
}

function parseBlocks(lines: readonly string[], depth: number, isCut: boolean): Block[] {
  const blocks: Block[] = []
  const fenceEnd = fenceEnds(lines, isCut)
  let text: string[] = []
  /** Blank lines beside other blocks are dropped. */
  const endText = (isLast: boolean) => {
    let from = 0
    let to = text.length
    while (blocks.length > 0 && from < to && text[from]!.trim() === '') from++
    while (!isLast && from < to && text[to - 1]!.trim() === '') to--
    if (from < to) blocks.push({ kind: 'text', children: parseText(text.slice(from, to).join('\n'), isCut && isLast) })
    text = []
  }
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!
    const end = fenceEnd(at)
    if (end !== null) {
      endText(false)
      blocks.push(codeBlock(line, lines.slice(at + 1, end)))
      at = end + 1
    } else if (depth < MAX_DEPTH && QUOTE.test(line)) {
      endText(false)
      const from = at
      while (at < lines.length && QUOTE.test(lines[at]!)) at++
      const quoted = lines.slice(from, at).map((quote) => quote.slice(2))
      blocks.push({ kind: 'quote', children: parseBlocks(quoted, depth + 1, isCut && at === lines.length) })
    } else if (ITEM.test(line)) {
      endText(false)
      const { lists, end } = parseLists(lines, at, isCut)
      blocks.push(...lists)
      at = end
    } else {
      text.push(line)
      at++
    }
  }
  endText(true)
  return blocks
}

/** Returns the function that finds the end of the code block that begins in a line; null if none begins there. */
function fenceEnds(lines: readonly string[], isCut: boolean): (start: number) => number | null {
  const fences = lines.map((line) => FENCE.exec(line))
  const isEnd = (i: number, length: number) => fences[i]?.[2]!.trim() === '' && fences[i][1]!.length >= length
  /** The longest end of a code block from a line on. */
  const longest: number[] = new Array<number>(lines.length + 1).fill(0)
  for (let i = lines.length - 1; i >= 0; i--)
    longest[i] = Math.max(longest[i + 1]!, isEnd(i, 0) ? fences[i]![1]!.length : 0)
  return (start) => {
    const length = fences[start]?.[1]!.length
    if (length === undefined) return null
    if (longest[start + 1]! < length) return isCut ? lines.length : null
    let end = start + 1
    while (!isEnd(end, length)) end++
    return end
  }
}

/** What follows the opening fence is the language if it is one word, else code. */
function codeBlock(fence: string, lines: readonly string[]): Block {
  const info = FENCE.exec(fence)![2]!.trim()
  const isLanguage = LANGUAGE.test(info)
  const code = isLanguage || info === '' ? lines : [info, ...lines]
  return { kind: 'code', language: isLanguage ? info : '', text: code.join('\n') }
}

/** A list while its lines are read. */
interface OpenList {
  indent: number
  ordered: boolean
  items: { value: number; text: string[]; lists: OpenList[] }[]
}

/** Reads items and the indented lines after them, from the line `start` on. */
function parseLists(lines: readonly string[], start: number, isCut: boolean): { lists: List[]; end: number } {
  const top: OpenList[] = []
  /** The list of each level to which an item may be added. */
  let levels: OpenList[] = []
  let end = start
  for (; end < lines.length; end++) {
    const line = lines[end]!
    const match = ITEM.exec(line)
    if (match === null) {
      const list = levels.at(-1)!
      if (line.trim() === '' || indentOf(line) < list.indent + 2) break
      list.items.at(-1)!.text.push(line.trim())
      continue
    }
    const indent = indentOf(line)
    const ordered = match[2] !== undefined
    const item = { value: Number(match[2] ?? 0), text: [line.slice(match[0].length)], lists: [] }
    levels = levels.filter((list, level) => list.indent <= indent || level === 0)
    const last = levels.at(-1)
    if (last !== undefined && indent >= last.indent + 2 && levels.length < MAX_DEPTH) {
      const list = { indent, ordered, items: [item] }
      last.items.at(-1)!.lists.push(list)
      levels.push(list)
    } else if (last !== undefined && last.ordered === ordered) last.items.push(item)
    else {
      const list = { indent, ordered, items: [item] }
      levels.pop()
      const siblings = levels.at(-1)?.items.at(-1)!.lists ?? top
      siblings.push(list)
      levels.push(list)
    }
  }
  const close = (list: OpenList): List => ({
    kind: 'list',
    ordered: list.ordered,
    items: list.items.map(({ value, text, lists }) => ({
      value,
      children: parseText(text.join('\n'), isCut && end === lines.length),
      lists: lists.map(close),
    })),
  })
  return { lists: top.map(close), end }
}

/** The width of the white space at the start of a line. */
function indentOf(line: string): number {
  const space = /^[ \t]*/.exec(line)![0]
  return space.replaceAll('\t', '    ').length
}

/** Parses paragraphs. No marker is effective beyond a blank line. */
function parseText(text: string, isCut: boolean): Inline[] {
  const parts = text.split(/(\n(?:[ \t]*\n)+)/)
  return parts.flatMap((part, i): Inline[] =>
    i % 2 === 1 ? [{ kind: 'text', text: part, children: null }] : parseInline(part, isCut && i === parts.length - 1),
  )
}
