// Which messages are on the screen.

/** The box of a stored message, in px from the top of the list. */
export interface Box {
  seq: number
  top: number
  bottom: number
  /** The bottom of the separator of days above it, if there is one. */
  dayBottom?: number
}

export interface Viewport {
  /** The seq of the first message on the screen; null if there is none. */
  first: number | null
  /** The seq of the last message on the screen; null if there is none. */
  last: number | null
  /** The distance of the first message's top from the top of the list, in px. */
  offset: number
  /** The seqs of the messages whose end is on the screen. */
  seen: readonly number[]
  atEnd: boolean
  /** True if the separator with the day of the first message is on the screen. */
  showsDay: boolean
}

/** The list counts as being at its end within this distance from it, in px. */
const END_PX = 80
/** Positions are rounded, in px. */
const ROUNDING_PX = 2

export function isAtEnd({ scrollHeight, scrollTop, clientHeight }: HTMLElement): boolean {
  return scrollHeight - scrollTop - clientHeight < END_PX
}

/** `boxes` are in the order of the list, which is `height` px high. */
export function viewportOf(boxes: readonly Box[], height: number, atEnd: boolean): Viewport {
  const shown = boxes.filter(({ top, bottom }) => bottom > 0 && top < height)
  return {
    first: shown[0]?.seq ?? null,
    last: shown.at(-1)?.seq ?? null,
    offset: shown[0]?.top ?? 0,
    seen: shown.filter(({ bottom }) => bottom <= height + ROUNDING_PX).map(({ seq }) => seq),
    atEnd,
    showsDay: (shown[0]?.dayBottom ?? 0) > 0,
  }
}

/** The boxes of the rendered messages, except those that virtua hides until they are measured. */
export function measureBoxes(scroller: HTMLElement): Box[] {
  const edge = scroller.getBoundingClientRect().top
  const boxes: Box[] = []
  for (const row of scroller.querySelectorAll<HTMLElement>('.row[data-seq]')) {
    if (row.parentElement!.style.visibility === 'hidden') continue
    const { top, bottom } = row.getBoundingClientRect()
    const day = row.querySelector('.day')?.getBoundingClientRect()
    boxes.push({
      seq: Number(row.dataset.seq),
      top: top - edge,
      bottom: bottom - edge,
      ...(day && { dayBottom: day.bottom - edge }),
    })
  }
  return boxes
}
