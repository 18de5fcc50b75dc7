// Draws the PNG icons in public/ from favicon.svg, with the installed Chromium: `npm run icons`.

import { readFileSync, writeFileSync } from 'node:fs'
import { chromium } from 'playwright-core'

const folder = new URL('../public/', import.meta.url)
const favicon = readFileSync(new URL('favicon.svg', folder), 'utf8')
// A launcher cuts a maskable icon into its own shape: the ground fills it, and the mark is in the inner 80 %.
const filled = favicon.replace('viewBox="0 0 32 32"', 'viewBox="-3 -3 38 38"').replace(/<rect[^>]*>/, '<rect x="-3" y="-3" width="38" height="38" fill="#0f766e"/>')
const icons = {
  'icon-192.png': [favicon, 192],
  'icon-512.png': [favicon, 512],
  'icon-maskable-512.png': [filled, 512],
  'apple-touch-icon.png': [filled, 180],
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium' })
const page = await browser.newPage()
for (const [name, [svg, size]] of Object.entries(icons)) {
  await page.setViewportSize({ width: size, height: size })
  await page.setContent(`<body style="margin:0">${svg.replace('<svg', `<svg width="${size}" height="${size}" style="display:block"`)}`)
  writeFileSync(new URL(name, folder), await page.screenshot({ omitBackground: true }))
}
await browser.close()
