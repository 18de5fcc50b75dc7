// The module `virtual:emoji/LANGUAGE`: the emoji with their names in this language, as frimousse expects them. Made from
// emojibase-data, so that nothing is loaded from other hosts and only what is shown is part of the build.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Plugin } from 'vite'

const PREFIX = 'virtual:emoji/'
const require = createRequire(import.meta.url)
const COMPONENTS = 2
/** Later emoji are missing in the fonts of many devices, and in the server's data. */
const NEWEST = 15.1
const TONES = ['light', 'medium-light', 'medium', 'medium-dark', 'dark'] as const

interface Skin {
  emoji: string
  tone: number | number[]
}

interface Entry {
  emoji: string
  label: string
  group?: number
  tags?: string[]
  version: number
  skins?: Skin[]
}

interface Messages {
  groups: { key: string; message: string; order: number }[]
  skinTones: { key: string; message: string }[]
}

export function emoji(): Plugin {
  return {
    name: 'parley:emoji',
    resolveId: (id) => (id.startsWith(PREFIX) ? `\0${id}` : null),
    load: (id) => (id.startsWith(`\0${PREFIX}`) ? moduleOf(id.slice(PREFIX.length + 1)) : null),
  }
}

function read<T>(language: string, name: string): T {
  return JSON.parse(readFileSync(require.resolve(`emojibase-data/${language}/${name}.json`), 'utf8')) as T
}

function moduleOf(language: string): string {
  const messages = read<Messages>(language, 'messages')
  const data = {
    locale: language,
    // Without a group: letters of flags, tones and the like, which are no emoji on their own.
    emojis: read<Entry[]>(language, 'data')
      .filter(({ group, version }) => group !== undefined && group !== COMPONENTS && version <= NEWEST)
      .map(({ emoji, label, group, tags = [], version, skins }) => ({
        emoji,
        category: group,
        label,
        version,
        tags,
        ...(skins !== undefined && { skins: tonesOf(skins) }),
      })),
    categories: messages.groups
      .filter(({ key }) => key !== 'component')
      .map(({ order, message }) => ({ index: order, label: message })),
    skinTones: Object.fromEntries(messages.skinTones.map(({ key, message }) => [key, message])),
  }
  // Parsing a string is faster than parsing a literal.
  return `export default JSON.parse(${JSON.stringify(JSON.stringify(data))})`
}

/** The variants in which all persons have the same tone. */
function tonesOf(skins: Skin[]): Record<string, string> {
  const tones: Record<string, string> = {}
  for (const { emoji, tone } of skins) if (typeof tone === 'number') tones[TONES[tone - 1]!] = emoji
  return tones
}
