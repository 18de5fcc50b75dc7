// Checks of the layout of a page. Each returns its findings as sentences; an empty list is good.

import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** Finds elements that overflow the window, or scroll, horizontally. */
export function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const findings: string[] = []
    const width = document.documentElement.clientWidth
    const root = document.documentElement
    if (root.scrollWidth > width) findings.push(`the page is ${root.scrollWidth} px wide, in ${width}`)
    for (const element of document.querySelectorAll('body *')) {
      const { left, right, width: own } = element.getBoundingClientRect()
      const scrolls = /auto|scroll/.test(getComputedStyle(element).overflowX)
      const name = `${element.tagName.toLowerCase()}.${element.getAttribute('class')}`
      if (scrolls && element.scrollWidth > element.clientWidth && element.tagName !== 'TEXTAREA')
        findings.push(`${name} scrolls horizontally: ${element.scrollWidth} px in ${element.clientWidth}`)
      if (own > 0 && (left < -1 || right > width + 1) && !clipped(element))
        findings.push(`${name} reaches from ${Math.round(left)} to ${Math.round(right)}, of ${width}`)
    }
    return findings

    /** True if an ancestor clips it, or if it is for screen readers only. */
    function clipped(element: Element): boolean {
      for (let node: Element | null = element; node !== null; node = node.parentElement) {
        const style = getComputedStyle(node)
        if (style.visibility === 'hidden' || style.clipPath !== 'none') return true
        if (node !== element && /hidden|clip/.test(style.overflowX)) return true
        if (node.classList.contains('skip-link')) return true
      }
      return false
    }
  })
}

/**
 * Finds controls that cannot be pressed: outside of the window, too small, or covered. Checks the open
 * modal dialog or menu, else the whole page.
 */
export async function unreachable(page: Page): Promise<string[]> {
  // virtua ignores pointer events while a list scrolls.
  const scrolling = ':is(.messages, .sidebar-body) > [style*="pointer-events: none"]'
  await expect.poll(() => page.locator(scrolling).count()).toBe(0)
  return page.evaluate(() => {
    const findings: string[] = []
    const modal = [...document.querySelectorAll('dialog[open], [role=menu]')].at(-1)
    const root = modal ?? document.body
    const controls = 'button, a[href], input, textarea, select, [role=menuitem]'
    for (const control of root.querySelectorAll<HTMLElement>(controls)) {
      if (control.closest('[aria-hidden=true], .skip-link, [hidden]') !== null) continue
      if (!control.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue
      if ((control as HTMLButtonElement).disabled) continue
      control.scrollIntoView({ block: 'nearest', inline: 'nearest' })
      const [box = new DOMRect()] = control.getClientRects() // a link may have a box per line
      const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)
      const name = control.getAttribute('aria-label') || control.textContent || control.outerHTML.slice(0, 80)
      const label = control.closest('label')
      if (hit === null || !(control.contains(hit) || (label !== null && label.contains(hit))))
        findings.push(`"${name}" is covered by ${hit?.outerHTML.slice(0, 80) ?? 'the edge of the window'}`)
      const target = (label ?? control).getBoundingClientRect()
      if (getComputedStyle(control).display !== 'inline' && Math.min(target.width, target.height) < 24)
        findings.push(`"${name}" is only ${Math.round(target.width)} × ${Math.round(target.height)} px`)
    }
    return findings
  })
}
