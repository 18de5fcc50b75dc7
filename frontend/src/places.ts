// Where the reader was in each chat. Kept in this browser, by user.

/** A message, and the distance of its top from the top of the list, in px. */
export interface Place {
  seq: number
  offset: number
}

/** Chat id, seq, offset. */
type Entry = readonly [number, number, number]

const KEPT = 200
const storageKey = (userId: number) => `parley.places.${userId}`

/** The places of all chats, the latest one first. */
function load(userId: number): readonly Entry[] {
  try {
    return JSON.parse(localStorage.getItem(storageKey(userId)) ?? '[]') as Entry[]
  } catch {
    return []
  }
}

/** The place in a chat; null at its end. */
export function placeIn(userId: number, chatId: number): Place | null {
  const entry = load(userId).find(([id]) => id === chatId)
  return entry === undefined ? null : { seq: entry[1], offset: entry[2] }
}

export function savePlace(userId: number, chatId: number, place: Place | null): void {
  const others = load(userId).filter(([id]) => id !== chatId)
  const entries: readonly Entry[] =
    place === null ? others : [[chatId, place.seq, Math.round(place.offset)], ...others]
  try {
    localStorage.setItem(storageKey(userId), JSON.stringify(entries.slice(0, KEPT)))
  } catch {
    // Storage is full or disabled: the chat opens at its first unread message or at its end.
  }
}

export const erasePlaces = (userId: number) => localStorage.removeItem(storageKey(userId))
