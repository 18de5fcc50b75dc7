// The style sheets: sizes follow the text size of the browser, and the layout is not tied to one direction of writing.

import { readFileSync, readdirSync } from 'node:fs'
import { expect, it } from 'vitest'

const folder = new URL('../src/styles/', import.meta.url)
const sheets = readdirSync(folder).filter((name) => name.endsWith('.css'))
const lines = sheets.flatMap((name) =>
  readFileSync(new URL(name, folder), 'utf8')
    .replace(/\/\*[^]*?\*\//g, '')
    .split('\n')
    .map((line) => `${name}: ${line.trim()}`),
)

it('gives all sizes in rem but those of lines, outlines and shadows', () => {
  const isLine = /: (border(?!.*radius)[a-z-]*|outline[a-z-]*|box-shadow|--shadow-\d|stroke-width|transform|overflow-clip-margin):/
  const inPx = lines.filter((line) => !isLine.test(line) && /[ (]-?([3-9]|\d{2,})(\.\d+)?px/.test(line))
  expect(inPx).toEqual([])
  expect(lines.filter((line) => / [\d.]+rem/.test(line)).length).toBeGreaterThan(300)
})

it('gives the widths of media queries in em, so that a large text gets the layout of a small window', () => {
  const queries = lines.filter((line) => /@media.*(width|height)/.test(line))
  expect(queries.filter((line) => !/: [\d.]+em\)/.test(line))).toEqual([])
  expect(queries.length).toBeGreaterThan(3)
})

const sheet = (name: string) => readFileSync(new URL(name, folder), 'utf8')

type Colours = Record<string, string>

/** The custom properties of a part of a sheet. */
const properties = (css: string): Colours =>
  Object.fromEntries([...css.matchAll(/(--[\w-]+): ([^;]+);/g)].map(([, name, value]): [string, string] => [name!, value!]))

const light = properties(sheet('tokens.css'))
const dark = { ...light, ...properties(sheet('dark.css')) }
const moreContrast = properties(/@media \(prefers-contrast: more\) \{[^]*?\n\}/.exec(sheet('modes.css'))![0])

/** The contrast of two colours by WCAG 2.2, 1 to 21. */
function contrast(colours: Colours, a: string, b: string): number {
  const luminance = (name: string): number => {
    const value = colours[name]!
    const other = /^var\((.*)\)$/.exec(value)?.[1]
    if (other !== undefined) return luminance(other)
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const part = parseInt(value.slice(at, at + 2), 16) / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
  }
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (high! + 0.05) / (low! + 0.05)
}

it('gives the buttons over the messages an outline that is visible on light and on dark ground', () => {
  const css = sheet('conversation.css')
  for (const selector of ['.jump', '.jump-unread'])
    expect(css).toMatch(new RegExp(`\\${selector} \\{[^}]*border: 1px solid var\\(--line-strong\\);`))
  for (const colours of [light, dark])
    expect(contrast(colours, '--line-strong', '--canvas')).toBeGreaterThanOrEqual(3)
})

it('gives all texts and lines a contrast of 7 to 1, if the user prefers more', () => {
  for (const base of [light, dark]) {
    const colours = { ...base, ...moreContrast }
    for (const name of ['--text-2', '--text-3', '--line', '--line-strong'])
      for (const ground of ['--canvas', '--surface', '--surface-2', '--theirs'])
        expect(contrast(colours, name, ground), `${name} on ${ground}`).toBeGreaterThanOrEqual(7)
    expect(contrast(colours, '--mine-meta', '--mine')).toBeGreaterThanOrEqual(7)
  }
})
