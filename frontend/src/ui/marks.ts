// The keys that make the selection of the message field bold, italic, struck out or code.

import type { KeyboardEvent } from 'react'
import { toggleMark } from '../core/marks'

const MARKS: Readonly<Record<string, string>> = { KeyB: '**', KeyI: '*', KeyE: '`', 'Shift+KeyX': '~~' }

/** Returns the marker of a key press with Ctrl or ⌘; undefined if there is none. */
export function markOf(event: KeyboardEvent): string | undefined {
  return event.altKey ? undefined : MARKS[`${event.shiftKey ? 'Shift+' : ''}${event.code}`]
}

/** Toggles a marker around the selection. The change is a step that the browser can undo. */
export function markSelection(area: HTMLTextAreaElement, mark: string): void {
  const { from, to, text, start, end } = toggleMark(area.value, area.selectionStart, area.selectionEnd, mark)
  area.setSelectionRange(from, to)
  document.execCommand(text === '' ? 'delete' : 'insertText', false, text)
  area.setSelectionRange(start, end)
}
