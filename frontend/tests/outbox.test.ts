import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it } from 'vitest'
import { Outbox, type Outgoing, type OutboxStore, type Sent } from '../src/core/outbox'
import { openOutboxStore } from '../src/core/outbox_store'
import { FakeClock } from './fakes'

let user = 0
let store: OutboxStore
let clock: FakeClock
let wire: Outgoing[]
/** What the server answers to the next sends; an ack where the list is empty. */
let answers: Sent[]

const ack = (entry: Outgoing): Sent => ({
  kind: 'acked',
  ack: { type: 'ack', id: entry.client_id, message_id: 1, chat_id: entry.chat_id, seq: 1, mod: 1 },
})
const gone: Sent = { kind: 'later', retryMs: null }

/** One lock that all tabs of a test share, as Web Locks are. */
function newLock() {
  let last: Promise<unknown> = Promise.resolve()
  return (work: () => Promise<void>) => {
    const turn = last.then(work)
    last = turn.catch(() => {})
    return turn
  }
}

function tab(lock = newLock(), others: (() => void)[] = []) {
  const acked: string[] = []
  const shown: string[][] = []
  const outbox = new Outbox(
    store,
    {
      send: async (entry) => {
        wire.push(entry)
        await new Promise((resolve) => setTimeout(resolve, 1))
        return answers.shift() ?? ack(entry)
      },
      acked: (entry) => acked.push(entry.content),
      changed: (entries) => shown.push(entries.map((e) => e.content)),
      announce: () => others.forEach((tell) => tell()),
      lock,
    },
    clock,
  )
  return { outbox, acked, shown }
}

const contents = (entries: readonly Outgoing[]) => entries.map((e) => e.content)

beforeEach(async () => {
  store = await openOutboxStore(++user)
  clock = new FakeClock()
  wire = []
  answers = []
})

describe('the outbox', () => {
  it('shows a message before anything else happens', () => {
    const { outbox, shown } = tab()
    void outbox.add(2, 'hello')
    expect(shown).toEqual([['hello']])
  })

  it('sends in the order of writing and forgets what is acknowledged', async () => {
    const { outbox, acked } = tab()
    await Promise.all([outbox.add(2, 'a'), outbox.add(3, 'b'), outbox.add(2, 'c')])
    await outbox.flush()
    expect(acked).toEqual(['a', 'b', 'c'])
    expect(contents(wire)).toEqual(['a', 'b', 'c'])
    expect(outbox.entries).toEqual([])
    expect(await store.all()).toEqual([])
  })

  it('keeps what it cannot send, and sends it on return under the same client_id', async () => {
    const { outbox } = tab()
    answers = [gone]
    await outbox.add(2, 'a')
    answers = [gone]
    await outbox.add(2, 'b')
    expect(contents(outbox.entries)).toEqual(['a', 'b'])
    await outbox.flush()
    expect(contents(wire)).toEqual(['a', 'a', 'a', 'b'])
    expect(new Set(wire.slice(0, 3).map((e) => e.client_id)).size).toBe(1)
    expect(outbox.entries).toEqual([])
  })

  it('survives a reload', async () => {
    answers = [gone]
    await tab().outbox.add(2, 'a')
    store = await openOutboxStore(user)
    const { outbox, acked } = tab()
    await outbox.load()
    expect(contents(outbox.entries)).toEqual(['a'])
    await outbox.flush()
    expect(acked).toEqual(['a'])
    expect(wire[1]!.client_id).toBe(wire[0]!.client_id)
  })

  it('waits as long as the server asks', async () => {
    const { outbox, acked } = tab()
    answers = [{ kind: 'later', retryMs: 2_000 }]
    await outbox.add(2, 'a')
    await clock.pass(1_900)
    expect(wire).toHaveLength(1)
    await clock.pass(100)
    await outbox.flush()
    expect(acked).toEqual(['a'])
  })

  it('keeps what was refused, does not let it hold back the rest, and retries when told', async () => {
    const { outbox, acked } = tab()
    answers = [{ kind: 'refused', code: 'not_a_member' }]
    await Promise.all([outbox.add(7, 'no'), outbox.add(2, 'yes')])
    await outbox.flush()
    expect(acked).toEqual(['yes'])
    expect(outbox.entries).toMatchObject([{ content: 'no', refused: 'not_a_member' }])
    await outbox.flush()
    expect(wire).toHaveLength(2)
    await outbox.retry(outbox.entries[0]!.client_id)
    expect(acked).toEqual(['yes', 'no'])
    expect(outbox.entries).toEqual([])
  })

  it('discards what was refused', async () => {
    const { outbox } = tab()
    answers = [{ kind: 'refused', code: 'not_a_member' }]
    await outbox.add(7, 'no')
    await outbox.discard(outbox.entries[0]!.client_id)
    expect(outbox.entries).toEqual([])
    expect(await store.all()).toEqual([])
  })

  it('does not send twice from two tabs, nor out of order', async () => {
    const lock = newLock()
    answers = [gone, gone, gone]
    const one = tab(lock)
    for (const text of ['a', 'b', 'c']) await one.outbox.add(2, text)
    wire = []
    answers = []
    const two = tab(lock)
    await two.outbox.load()
    await Promise.all([one.outbox.flush(), two.outbox.flush(), one.outbox.flush()])
    expect(contents(wire)).toEqual(['a', 'b', 'c'])
  })

  it('shows in one tab what another tab wrote, until either hears that it was stored', async () => {
    const lock = newLock()
    const loads: Promise<void>[] = []
    const two = tab(lock)
    const one = tab(lock, [() => loads.push(two.outbox.load())])
    answers = [gone]
    await one.outbox.add(2, 'a')
    await Promise.all(loads)
    expect(contents(two.outbox.entries)).toEqual(['a'])
    await two.outbox.seen(two.outbox.entries[0]!.client_id)
    expect(two.outbox.entries).toEqual([])
    await one.outbox.flush()
    expect(wire).toHaveLength(1)
  })

  it('does not show in one tab what the other had acknowledged before the first heard of it', async () => {
    const lock = newLock()
    const two = tab(lock)
    const one = tab(lock)
    answers = [gone]
    await one.outbox.add(2, 'a')
    await two.outbox.seen(one.outbox.entries[0]!.client_id)
    await two.outbox.load()
    expect(two.outbox.entries).toEqual([])
    expect(two.shown.flat()).toEqual([])
  })

  it('does not bring back by a late reload what was just acknowledged', async () => {
    const { outbox } = tab()
    const adding = outbox.add(2, 'a')
    const loading = outbox.load()
    await Promise.all([adding, loading])
    expect(outbox.entries).toEqual([])
  })
})
