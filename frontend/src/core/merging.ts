// Lists of messages, sorted by seq. Pure functions.

import type { Message } from './types'
import { newerVersion } from './version'

/** The index of the first message whose seq is at least `seq`. */
export function indexOfSeq(messages: readonly Message[], seq: number): number {
  let low = 0
  let high = messages.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (messages[middle]!.seq < seq) low = middle + 1
    else high = middle
  }
  return low
}

/** Merges messages, in any order and with repeats, into a list sorted by seq. */
export function mergeMessages(
  into: readonly Message[],
  incoming: readonly Message[],
): readonly Message[] {
  if (incoming.length === 0) return into
  if (incoming.length === 1) return mergeOne(into, incoming[0]!)
  const bySeq = new Map<number, Message>()
  for (const message of incoming) {
    const known = bySeq.get(message.seq)
    bySeq.set(message.seq, known ? newerVersion(known, message) : message)
  }
  const fresh = [...bySeq.values()].sort((a, b) => a.seq - b.seq)
  const out: Message[] = []
  let i = 0
  let j = 0
  while (i < into.length || j < fresh.length) {
    const a = into[i]
    const b = fresh[j]
    if (b === undefined || (a !== undefined && a.seq < b.seq)) {
      out.push(a!)
      i++
    } else if (a === undefined || b.seq < a.seq) {
      out.push(b)
      j++
    } else {
      out.push(newerVersion(a, b))
      i++
      j++
    }
  }
  return out
}

function mergeOne(into: readonly Message[], message: Message): readonly Message[] {
  const index = indexOfSeq(into, message.seq)
  const existing = into[index]
  if (existing?.seq === message.seq) {
    const kept = newerVersion(existing, message)
    return kept === existing ? into : [...into.slice(0, index), kept, ...into.slice(index + 1)]
  }
  return [...into.slice(0, index), message, ...into.slice(index)]
}
