// What is wrong with how a page is laid out, as lists of sentences: an empty list is as it should be.

import type { Page } from 'playwright-core'

/** What reaches out of the window sideways, or makes it scroll sideways. */
export function overflow(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const wrong: string[] = []
    const width = document.documentElement.clientWidth
    const root = document.documentElement
    if (root.scrollWidth > width) wrong.push(`the page is ${root.scrollWidth} px wide, in ${width}`)
    for (const element of document.querySelectorAll('body *')) {
      const { left, right, width: own } = element.getBoundingClientRect()
      const scrolls = /auto|scroll/.test(getComputedStyle(element).overflowX)
      const name = `${element.tagName.toLowerCase()}.${element.getAttribute('class')}`
      if (scrolls && element.scrollWidth > element.clientWidth && element.tagName !== 'TEXTAREA')
        wrong.push(`${name} scrolls sideways: ${element.scrollWidth} px in ${element.clientWidth}`)
      if (own > 0 && (left < -1 || right > width + 1) && !clipped(element))
        wrong.push(`${name} reaches from ${Math.round(left)} to ${Math.round(right)}, of ${width}`)
    }
    return wrong

    /** Cut off by something around it, or meant for screen readers alone. */
    function clipped(element: Element): boolean {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const style = getComputedStyle(at)
        if (style.visibility === 'hidden' || style.clipPath !== 'none') return true
        if (at !== element && /hidden|clip/.test(style.overflowX)) return true
        if (at.classList.contains('skip-link')) return true
      }
      return false
    }
  })
}

/**
 * The controls that nobody could press: too far out, too small, or under something else. Looks at what can be
 * used now: all of the page, or what is modal.
 */
export function unreachable(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const wrong: string[] = []
    const modal = [...document.querySelectorAll('dialog[open], [role=menu]')].at(-1)
    const root = modal ?? document.body
    const controls = 'button, a[href], input, textarea, select, [role=menuitem]'
    for (const control of root.querySelectorAll<HTMLElement>(controls)) {
      if (control.closest('[aria-hidden=true], .skip-link, [hidden]') !== null) continue
      if (!control.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue
      if ((control as HTMLButtonElement).disabled) continue
      control.scrollIntoView({ block: 'nearest', inline: 'nearest' })
      const [box = new DOMRect()] = control.getClientRects() // a link may have several lines
      const hit = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2)
      const name = control.getAttribute('aria-label') || control.textContent || control.outerHTML.slice(0, 80)
      const label = control.closest('label')
      if (hit === null || !(control.contains(hit) || (label !== null && label.contains(hit))))
        wrong.push(`"${name}" is under ${hit?.outerHTML.slice(0, 80) ?? 'nothing: it is outside'}`)
      const target = (label ?? control).getBoundingClientRect()
      if (getComputedStyle(control).display !== 'inline' && Math.min(target.width, target.height) < 24)
        wrong.push(`"${name}" is only ${Math.round(target.width)} × ${Math.round(target.height)} px`)
    }
    return wrong
  })
}
