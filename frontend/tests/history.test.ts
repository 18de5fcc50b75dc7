import { describe, expect, it } from 'vitest'
import { applyAck, applyDeleted, applyPage, applyPush, applySync, beginPage, emptyHistory, failPage, hasGap, liveMessages, messageAt, resumeHistory, segmentAt, trimSegment, type History, type Segment } from '../src/core/history'
import { mergeMessages } from '../src/core/merging'
import { message } from './fakes'

const seqs = (history: History) => liveMessages(history).map((m) => m.seq)
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => message(from + i))
const page = (from: number, to: number): Segment => ({ from, to, messages: range(from, to) })
/** A history whose live segment has these messages. */
const loaded = (from: number, to: number): History =>
  applyPage(beginPage(emptyHistory(to)), { ...page(from, to), to: Infinity })
/** The seqs of the first and last message of each segment, with the edges that it covers. */
const edges = (history: History) =>
  history.segments.map(({ from, to, messages }) => [from, messages[0]?.seq, messages.at(-1)?.seq, to])

describe('merging', () => {
  it('sorts messages by seq and drops repeats', () => {
    const merged = mergeMessages([], [3, 1, 2, 3, 1].map((seq) => message(seq)))
    expect(merged.map((m) => m.seq)).toEqual([1, 2, 3])
  })

  it('keeps the version with the higher mod, whichever comes first', () => {
    const old = message(5, { mod: 5, content: 'old' })
    const edited = message(5, { mod: 9, content: 'new' })
    expect(mergeMessages([old], [edited])[0]!.content).toBe('new')
    expect(mergeMessages([edited], [old])[0]!.content).toBe('new')
    expect(mergeMessages([], [edited, old])[0]!.content).toBe('new')
  })

  it('returns the same list if nothing changed', () => {
    const list = [message(1), message(2)]
    expect(mergeMessages(list, [message(1, { mod: 0 })])).toBe(list)
    expect(mergeMessages(list, [])).toBe(list)
  })

  it('keeps a client_id that a later version lacks', () => {
    const mine = message(1, { client_id: 'c1' })
    expect(mergeMessages([mine], [message(1, { mod: 4 })])[0]!.client_id).toBe('c1')
  })

  it('agrees with a simple model on random input', () => {
    let seed = 7
    const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n
    for (let round = 0; round < 200; round++) {
      const model = new Map<number, number>()
      let list: readonly ReturnType<typeof message>[] = []
      for (let step = 0; step < 10; step++) {
        const batch = Array.from({ length: random(6) }, () => {
          const seq = 1 + random(12)
          return message(seq, { mod: seq + random(20) })
        })
        for (const m of batch) model.set(m.seq, Math.max(model.get(m.seq) ?? 0, m.mod))
        list = mergeMessages(list, batch)
      }
      expect(list.map((m) => [m.seq, m.mod])).toEqual([...model].sort((a, b) => a[0] - b[0]))
    }
  })
})

describe('the resume point', () => {
  it('advances with each push', () => {
    let history = loaded(1, 3)
    history = applyPush(history, message(4))
    history = applyPush(history, message(2, { mod: 5 }))
    expect(history.mod).toBe(5)
    expect(hasGap(history)).toBe(false)
  })

  it('stops at a gap, and advances over it when it closes', () => {
    let history = applyAck(loaded(1, 3), message(5, { sender_id: 1 }), 5)
    expect(history.mod).toBe(3)
    expect(hasGap(history)).toBe(true)
    history = applyPush(history, message(4))
    expect(history.mod).toBe(5)
    expect(seqs(history)).toEqual([1, 2, 3, 4, 5])
    expect(hasGap(history)).toBe(false)
  })

  it('does not advance with a repeat', () => {
    let history = loaded(1, 3)
    history = applyPush(applyPush(history, message(4)), message(4))
    history = applyPush(history, message(2))
    expect(history.mod).toBe(4)
    expect(history.ahead).toEqual([])
    expect(seqs(history)).toEqual([1, 2, 3, 4])
  })

  it('does not advance with a page', () => {
    const history = applyPage(beginPage(loaded(10, 12)), {
      from: 8,
      to: 9,
      messages: [message(8, { mod: 40 }), message(9)],
    })
    expect(history.mod).toBe(12)
    expect(seqs(history)).toEqual([8, 9, 10, 11, 12])
  })

  it('advances to the last mod of a sync batch', () => {
    let history = applyAck(loaded(1, 3), null, 9)
    history = applySync(history, [message(4, { mod: 5 }), message(2, { mod: 8 })])
    expect(history.mod).toBe(9)
    expect(history.ahead).toEqual([])
  })

  it('begins with the first push of an unknown chat', () => {
    let history = applyAck(emptyHistory(null), null, 8)
    expect(history.mod).toBeNull()
    history = applyPush(history, message(7))
    expect(history.mod).toBe(8)
  })

  it('begins at 0 in a conversation without messages', () => {
    let history = applyPage(beginPage(emptyHistory(null)), { from: 1, to: Infinity, messages: [] })
    history = applyAck(history, message(1, { sender_id: 1 }), 1)
    expect(history.mod).toBe(1)
    expect(seqs(history)).toEqual([1])
  })
})

describe('the live segment', () => {
  it('ignores messages before it', () => {
    const history = applyPush(loaded(10, 12), message(3, { mod: 13 }))
    expect(seqs(history)).toEqual([10, 11, 12])
    expect(history.mod).toBe(13)
  })

  it('holds no messages of a chat that was never opened', () => {
    expect(applyPush(emptyHistory(3), message(4)).segments).toEqual([])
  })

  it('keeps what was pushed while the first page was requested', () => {
    let history = beginPage(emptyHistory(3))
    history = applyPush(history, message(4))
    history = applyPush(history, message(2, { mod: 5, content: 'edited' }))
    history = applyPage(history, { from: 2, to: Infinity, messages: [message(2), message(3)] })
    expect(seqs(history)).toEqual([2, 3, 4])
    expect(liveMessages(history)[0]!.content).toBe('edited')
  })

  it('ignores a push for a message before the requested page', () => {
    let history = beginPage(emptyHistory(50))
    history = applyPush(history, message(1, { mod: 51 }))
    history = applyPage(history, { ...page(49, 50), to: Infinity })
    expect(seqs(history)).toEqual([49, 50])
  })

  it('keeps an edit that overtook a page with the old text', () => {
    let history = beginPage(loaded(10, 12))
    history = applyPush(history, message(8, { mod: 13, content: 'edited' }))
    history = applyPage(history, page(8, 9))
    expect(liveMessages(history)[0]!.content).toBe('edited')
  })

  it('discards the buffered messages if the page fails', () => {
    let history = applyPush(beginPage(loaded(10, 12)), message(8, { mod: 13 }))
    history = failPage(history)
    expect(history.buffered).toBeNull()
    expect(seqs(history)).toEqual([10, 11, 12])
  })

  it('reports a missing seq as a gap', () => {
    expect(hasGap(applyPage(loaded(1, 3), { from: 5, to: Infinity, messages: [message(5)] }))).toBe(true)
    expect(hasGap(applyPush(loaded(1, 3), message(5)))).toBe(true)
  })
})

describe('segments', () => {
  it('stay apart until a page connects them', () => {
    let history = applyPage(loaded(100, 110), page(40, 60))
    expect(edges(history)).toEqual([[40, 40, 60, 60], [100, 100, 110, Infinity]])
    history = applyPage(history, page(61, 98))
    expect(edges(history)).toEqual([[40, 40, 98, 98], [100, 100, 110, Infinity]])
    history = applyPage(history, page(99, 99))
    expect(edges(history)).toEqual([[40, 40, 110, Infinity]])
    expect(hasGap(history)).toBe(false)
  })

  it('merge with a page that overlaps several of them', () => {
    let history = applyPage(applyPage(loaded(100, 110), page(40, 60)), page(70, 80))
    history = applyPage(history, page(55, 101))
    expect(edges(history)).toEqual([[40, 40, 110, Infinity]])
    expect(liveMessages(history)).toHaveLength(71)
  })

  it('keep the newer version of a message that two of them have', () => {
    const edited = { from: 10, to: 12, messages: [message(10), message(11, { mod: 99, content: 'new' }), message(12)] }
    for (const [first, second] of [[page(9, 11), edited], [edited, page(9, 11)]] as const)
      expect(messageAt(applyPage(applyPage(emptyHistory(50), first), second), 11)!.content).toBe('new')
  })

  it('take changes of pushes and syncs in any of them, and new messages only in the live one', () => {
    let history = applyPage(loaded(100, 110), page(40, 60))
    history = applyPush(history, message(50, { mod: 111, content: 'pushed' }))
    history = applySync(history, [message(51, { mod: 112, content: 'synced' }), message(111, { mod: 113 })])
    history = applyDeleted(history, { type: 'deleted', chat_id: 2, message_id: 1052, seq: 52, mod: 114 })
    expect(messageAt(history, 50)!.content).toBe('pushed')
    expect(messageAt(history, 51)!.content).toBe('synced')
    expect(messageAt(history, 52)).toMatchObject({ deleted: true, sender_id: 2 })
    expect(edges(history)).toEqual([[40, 40, 60, 60], [100, 100, 111, Infinity]])
    expect(history.mod).toBe(114)
  })

  it('take no new messages while none of them is live', () => {
    const history = applyPush(applyPage(emptyHistory(110), page(40, 60)), message(111))
    expect(edges(history)).toEqual([[40, 40, 60, 60]])
    expect(history.mod).toBe(111)
    expect(liveMessages(history)).toEqual([])
  })

  it('become live by a page that reaches the newest message, with what was pushed meanwhile', () => {
    let history = beginPage(applyPage(emptyHistory(62), page(40, 60)))
    history = applyPush(history, message(63))
    history = applyPage(history, { ...page(61, 62), to: Infinity })
    expect(edges(history)).toEqual([[40, 40, 63, Infinity]])
  })

  it('know the beginning of the conversation', () => {
    const history = applyPage(loaded(3, 5), page(1, 2))
    expect(segmentAt(history, 5)!.from).toBe(1)
    expect(segmentAt(history, 999)).toBe(segmentAt(history, null))
  })

  it('are dropped if a sync would have to bring too much', () => {
    const history = applyPage(loaded(100, 110), page(40, 60))
    expect(resumeHistory(history, 1_110)).toBe(history)
    expect(resumeHistory(history, 1_111)).toEqual(emptyHistory(1_111))
  })

  it('are few: the live one and those nearest to the page are kept', () => {
    let history = loaded(1_000, 1_001)
    for (const from of [100, 200, 300, 400, 500]) history = applyPage(history, page(from, from + 1))
    expect(edges(history).map(([from]) => from)).toEqual([200, 300, 400, 500, 1_000])
  })

  it('are cut at the end that is far from the reader, and no longer live without the newest', () => {
    const long = loaded(1, 1_001)
    expect(edges(trimSegment(long, 900))).toEqual([[202, 202, 1_001, Infinity]])
    const cut = trimSegment(long, 100)
    expect(edges(cut)).toEqual([[1, 1, 800, 800]])
    expect(seqs(applyPush(cut, message(1_002)))).toEqual([])
    expect(trimSegment(loaded(1, 1_000), 1).segments[0]!.messages).toHaveLength(1_000)
  })
})

describe('deletion', () => {
  const deleted = { type: 'deleted', chat_id: 2, message_id: 1002, seq: 2, mod: 4 } as const

  it('leaves a tombstone with the sender and the time', () => {
    const tombstone = messageAt(applyDeleted(loaded(1, 3), deleted), 2)!
    expect(tombstone).toMatchObject({ seq: 2, mod: 4, deleted: true, content: null, sender_id: 2 })
    expect(tombstone.sent_at).toBe(message(2).sent_at)
    expect(tombstone.partial).toBeUndefined()
  })

  it('is not undone by an older version', () => {
    const history = applyPush(applyDeleted(loaded(1, 3), deleted), message(2))
    expect(liveMessages(history)[1]!.deleted).toBe(true)
  })

  it('of an unknown message adds a partial tombstone, which the sync completes', () => {
    let history = applyDeleted(loaded(1, 3), { ...deleted, seq: 4, message_id: 1004, mod: 5 })
    expect(seqs(history)).toEqual([1, 2, 3, 4])
    expect(hasGap(history)).toBe(true)
    history = applySync(history, [message(4, { mod: 5, deleted: true, content: null })])
    expect(liveMessages(history)[3]).toMatchObject({ sender_id: 2, deleted: true })
    expect(liveMessages(history)[3]!.partial).toBeUndefined()
    expect(hasGap(history)).toBe(false)
  })
})
