// Adds and removes the markers of bold text and so on while a text is written.

export interface TextChange {
  /** The range that `text` replaces. */
  from: number
  to: number
  text: string
  /** The selection after the change. */
  start: number
  end: number
}

/** Puts a marker on both sides of the selection from `start` to `end`, or removes it if it is there. */
export function toggleMark(text: string, start: number, end: number, mark: string): TextChange {
  // A marker beside a blank has no effect.
  while (start < end && /\s/.test(text[start]!)) start++
  while (end > start && /\s/.test(text[end - 1]!)) end--
  const selected = text.slice(start, end)
  const length = mark.length
  if (hasMark(text.slice(0, start), 'end', mark) && hasMark(text.slice(end), 'start', mark))
    return { from: start - length, to: end + length, text: selected, start: start - length, end: end - length }
  if (selected.length > 2 * length && hasMark(selected, 'start', mark) && hasMark(selected, 'end', mark))
    return { from: start, to: end, text: selected.slice(length, -length), start, end: end - 2 * length }
  return { from: start, to: end, text: mark + selected + mark, start: start + length, end: end + length }
}

/** True if a text has the marker at one side. Of `*`, one or three are italic; two are bold. */
function hasMark(text: string, side: 'start' | 'end', mark: string): boolean {
  const char = mark[0]!
  let count = 0
  while (count < 4 && text.at(side === 'start' ? count : -1 - count) === char) count++
  return count === mark.length || (char === '*' && count === 3)
}
