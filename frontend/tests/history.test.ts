import { describe, expect, it } from 'vitest'
import {
  applyAck,
  applyDeleted,
  applyPage,
  applyPush,
  applySync,
  beginPage,
  emptyHistory,
  failPage,
  hasGap,
  mergeMessages,
  type History,
} from '../src/core/history'
import { message } from './fakes'

const seqs = (history: History) => history.messages.map((m) => m.seq)
const loaded = (from: number, to: number): History =>
  applyPage(
    beginPage(emptyHistory(to)),
    Array.from({ length: to - from + 1 }, (_, i) => message(from + i)),
    from > 1,
  )

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
    const history = applyPage(beginPage(loaded(10, 12)), [message(8, { mod: 40 }), message(9)], true)
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
    let history = applyPage(beginPage(emptyHistory(null)), [], false)
    history = applyAck(history, message(1, { sender_id: 1 }), 1)
    expect(history.mod).toBe(1)
    expect(seqs(history)).toEqual([1])
  })
})

describe('the window', () => {
  it('ignores messages before the window', () => {
    const history = applyPush(loaded(10, 12), message(3, { mod: 13 }))
    expect(seqs(history)).toEqual([10, 11, 12])
    expect(history.mod).toBe(13)
  })

  it('holds no messages of a chat that was never opened', () => {
    expect(applyPush(emptyHistory(3), message(4)).messages).toEqual([])
  })

  it('keeps what was pushed while the first page was requested', () => {
    let history = beginPage(emptyHistory(3))
    history = applyPush(history, message(4))
    history = applyPush(history, message(2, { mod: 5, content: 'edited' }))
    history = applyPage(history, [message(2), message(3)], true)
    expect(seqs(history)).toEqual([2, 3, 4])
    expect(history.messages[0]!.content).toBe('edited')
  })

  it('ignores a push for a message before the requested page', () => {
    let history = beginPage(emptyHistory(50))
    history = applyPush(history, message(1, { mod: 51 }))
    history = applyPage(history, [message(49), message(50)], true)
    expect(seqs(history)).toEqual([49, 50])
  })

  it('keeps an edit that overtook a page with the old text', () => {
    let history = beginPage(loaded(10, 12))
    history = applyPush(history, message(8, { mod: 13, content: 'edited' }))
    history = applyPage(history, [message(8), message(9)], true)
    expect(history.messages[0]!.content).toBe('edited')
  })

  it('discards the buffered messages if the page fails', () => {
    let history = applyPush(beginPage(loaded(10, 12)), message(8, { mod: 13 }))
    history = failPage(history)
    expect(history.buffered).toBeNull()
    expect(seqs(history)).toEqual([10, 11, 12])
  })

  it('reports a missing seq as a gap', () => {
    expect(hasGap(applyPage(loaded(1, 3), [message(5)], false))).toBe(true)
  })
})

describe('deletion', () => {
  const deleted = { type: 'deleted', chat_id: 2, message_id: 1002, seq: 2, mod: 4 } as const

  it('leaves a tombstone with the sender and the time', () => {
    const tombstone = applyDeleted(loaded(1, 3), deleted).messages[1]!
    expect(tombstone).toMatchObject({ seq: 2, mod: 4, deleted: true, content: null, sender_id: 2 })
    expect(tombstone.sent_at).toBe(message(2).sent_at)
    expect(tombstone.partial).toBeUndefined()
  })

  it('is not undone by an older version', () => {
    const history = applyPush(applyDeleted(loaded(1, 3), deleted), message(2))
    expect(history.messages[1]!.deleted).toBe(true)
  })

  it('of an unknown message adds a partial tombstone, which the sync completes', () => {
    let history = applyDeleted(loaded(1, 3), { ...deleted, seq: 4, message_id: 1004, mod: 5 })
    expect(seqs(history)).toEqual([1, 2, 3, 4])
    expect(hasGap(history)).toBe(true)
    history = applySync(history, [message(4, { mod: 5, deleted: true, content: null })])
    expect(history.messages[3]).toMatchObject({ sender_id: 2, deleted: true })
    expect(history.messages[3]!.partial).toBeUndefined()
    expect(hasGap(history)).toBe(false)
  })
})
