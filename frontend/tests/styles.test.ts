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
