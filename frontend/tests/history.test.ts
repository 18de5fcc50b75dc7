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
  hasHole,
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
  it('orders by seq whatever order messages come in, each once', () => {
    const merged = mergeMessages([], [3, 1, 2, 3, 1].map((seq) => message(seq)))
    expect(merged.map((m) => m.seq)).toEqual([1, 2, 3])
  })

  it('keeps the version with the higher mod, in either order of arrival', () => {
    const old = message(5, { mod: 5, content: 'old' })
    const edited = message(5, { mod: 9, content: 'new' })
    expect(mergeMessages([old], [edited])[0]!.content).toBe('new')
    expect(mergeMessages([edited], [old])[0]!.content).toBe('new')
    expect(mergeMessages([], [edited, old])[0]!.content).toBe('new')
  })

  it('leaves the very same list where nothing changed', () => {
    const list = [message(1), message(2)]
    expect(mergeMessages(list, [message(1, { mod: 0 })])).toBe(list)
    expect(mergeMessages(list, [])).toBe(list)
  })

  it('remembers a client_id that a later version does not repeat', () => {
    const mine = message(1, { client_id: 'c1' })
    expect(mergeMessages([mine], [message(1, { mod: 4 })])[0]!.client_id).toBe('c1')
  })

  it('agrees with a plain model on random input', () => {
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
  it('rises with each push', () => {
    let history = loaded(1, 3)
    history = applyPush(history, message(4))
    history = applyPush(history, message(2, { mod: 5 }))
    expect(history.mod).toBe(5)
    expect(hasHole(history)).toBe(false)
  })

  it('does not pass a hole, and jumps when the hole is closed', () => {
    let history = applyAck(loaded(1, 3), message(5, { sender_id: 1 }), 5)
    expect(history.mod).toBe(3)
    expect(hasHole(history)).toBe(true)
    history = applyPush(history, message(4))
    expect(history.mod).toBe(5)
    expect(seqs(history)).toEqual([1, 2, 3, 4, 5])
    expect(hasHole(history)).toBe(false)
  })

  it('is not moved by repeats', () => {
    let history = loaded(1, 3)
    history = applyPush(applyPush(history, message(4)), message(4))
    history = applyPush(history, message(2))
    expect(history.mod).toBe(4)
    expect(history.ahead).toEqual([])
    expect(seqs(history)).toEqual([1, 2, 3, 4])
  })

  it('is not moved by a page of history', () => {
    const history = applyPage(beginPage(loaded(10, 12)), [message(8, { mod: 40 }), message(9)], true)
    expect(history.mod).toBe(12)
    expect(seqs(history)).toEqual([8, 9, 10, 11, 12])
  })

  it('jumps with a piece of a sync, which collapses what happened between', () => {
    let history = applyAck(loaded(1, 3), null, 9)
    history = applySync(history, [message(4, { mod: 5 }), message(2, { mod: 8 })])
    expect(history.mod).toBe(9)
    expect(history.ahead).toEqual([])
  })

  it('starts where the first push of an unknown chat comes in', () => {
    let history = applyAck(emptyHistory(null), null, 8)
    expect(history.mod).toBeNull()
    history = applyPush(history, message(7))
    expect(history.mod).toBe(8)
  })

  it('starts at nothing in a conversation that has not begun', () => {
    let history = applyPage(beginPage(emptyHistory(null)), [], false)
    history = applyAck(history, message(1, { sender_id: 1 }), 1)
    expect(history.mod).toBe(1)
    expect(seqs(history)).toEqual([1])
  })
})

describe('the window', () => {
  it('takes nothing that is older than what is loaded', () => {
    const history = applyPush(loaded(10, 12), message(3, { mod: 13 }))
    expect(seqs(history)).toEqual([10, 11, 12])
    expect(history.mod).toBe(13)
  })

  it('keeps no messages of a chat that was never opened', () => {
    expect(applyPush(emptyHistory(3), message(4)).messages).toEqual([])
  })

  it('keeps what was pushed while the first page was on its way', () => {
    let history = beginPage(emptyHistory(3))
    history = applyPush(history, message(4))
    history = applyPush(history, message(2, { mod: 5, content: 'edited' }))
    history = applyPage(history, [message(2), message(3)], true)
    expect(seqs(history)).toEqual([2, 3, 4])
    expect(history.messages[0]!.content).toBe('edited')
  })

  it('does not tear a hole with a push for something older than the page', () => {
    let history = beginPage(emptyHistory(50))
    history = applyPush(history, message(1, { mod: 51 }))
    history = applyPage(history, [message(49), message(50)], true)
    expect(seqs(history)).toEqual([49, 50])
  })

  it('does not lose an edit that overtook the page which holds the old text', () => {
    let history = beginPage(loaded(10, 12))
    history = applyPush(history, message(8, { mod: 13, content: 'edited' }))
    history = applyPage(history, [message(8), message(9)], true)
    expect(history.messages[0]!.content).toBe('edited')
  })

  it('forgets the strays when no page comes', () => {
    let history = applyPush(beginPage(loaded(10, 12)), message(8, { mod: 13 }))
    history = failPage(history)
    expect(history.strays).toBeNull()
    expect(seqs(history)).toEqual([10, 11, 12])
  })

  it('sees a missing seq as a hole', () => {
    expect(hasHole(applyPage(loaded(1, 3), [message(5)], false))).toBe(true)
  })
})

describe('deletion', () => {
  const deleted = { type: 'deleted', chat_id: 2, message_id: 1002, seq: 2, mod: 4 } as const

  it('leaves a grave with its sender and time', () => {
    const grave = applyDeleted(loaded(1, 3), deleted).messages[1]!
    expect(grave).toMatchObject({ seq: 2, mod: 4, deleted: true, content: null, sender_id: 2 })
    expect(grave.sent_at).toBe(message(2).sent_at)
    expect(grave.partial).toBeUndefined()
  })

  it('is not undone by an older version', () => {
    const history = applyPush(applyDeleted(loaded(1, 3), deleted), message(2))
    expect(history.messages[1]!.deleted).toBe(true)
  })

  it('of an unknown message makes room for it, and the sync tells the rest', () => {
    let history = applyDeleted(loaded(1, 3), { ...deleted, seq: 4, message_id: 1004, mod: 5 })
    expect(seqs(history)).toEqual([1, 2, 3, 4])
    expect(hasHole(history)).toBe(true)
    history = applySync(history, [message(4, { mod: 5, deleted: true, content: null })])
    expect(history.messages[3]).toMatchObject({ sender_id: 2, deleted: true })
    expect(history.messages[3]!.partial).toBeUndefined()
    expect(hasHole(history)).toBe(false)
  })
})
