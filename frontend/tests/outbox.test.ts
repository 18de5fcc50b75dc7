import 'fake-indexeddb/auto'
import { beforeEach, describe, expect, it } from 'vitest'
import { Outbox, type Outgoing, type OutboxStore, type SendResult } from '../src/core/outbox'
import { openOutboxStore } from '../src/core/outbox_store'
import { FakeClock } from './fakes'

let user = 0
let store: OutboxStore
let clock: FakeClock
/** What was sent. */
let sent: Outgoing[]
/** The results of the next sends; an ack if empty. */
let results: SendResult[]

const ack = (entry: Outgoing): SendResult => ({
  kind: 'acked',
  ack: { type: 'ack', id: entry.client_id, message_id: 1, chat_id: entry.chat_id, seq: 1, mod: 1 },
})
const deferred: SendResult = { kind: 'deferred', retryMs: null }

/** A lock that all tabs of a test share, like a Web Lock. */
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
        sent.push(entry)
        await new Promise((resolve) => setTimeout(resolve, 1))
        return results.shift() ?? ack(entry)
      },
      acked: (entry) => acked.push(entry.content),
      changed: (entries) => shown.push(entries.map((e) => e.content)),
      broadcast: () => others.forEach((changed) => changed()),
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
  sent = []
  results = []
})

describe('the outbox', () => {
  it('shows a message at once', () => {
    const { outbox, shown } = tab()
    void outbox.add(2, 'hello')
    expect(shown).toEqual([['hello']])
  })

  it('sends in the order of writing, and removes what is acknowledged', async () => {
    const { outbox, acked } = tab()
    await Promise.all([outbox.add(2, 'a'), outbox.add(3, 'b'), outbox.add(2, 'c')])
    await outbox.flush()
    expect(acked).toEqual(['a', 'b', 'c'])
    expect(contents(sent)).toEqual(['a', 'b', 'c'])
    expect(outbox.entries).toEqual([])
    expect(await store.all()).toEqual([])
  })

  it('keeps what it cannot send, and sends it later with the same client_id', async () => {
    const { outbox } = tab()
    results = [deferred]
    await outbox.add(2, 'a')
    results = [deferred]
    await outbox.add(2, 'b')
    expect(contents(outbox.entries)).toEqual(['a', 'b'])
    await outbox.flush()
    expect(contents(sent)).toEqual(['a', 'a', 'a', 'b'])
    expect(new Set(sent.slice(0, 3).map((e) => e.client_id)).size).toBe(1)
    expect(outbox.entries).toEqual([])
  })

  it('survives a reload', async () => {
    results = [deferred]
    await tab().outbox.add(2, 'a')
    store = await openOutboxStore(user)
    const { outbox, acked } = tab()
    await outbox.load()
    expect(contents(outbox.entries)).toEqual(['a'])
    await outbox.flush()
    expect(acked).toEqual(['a'])
    expect(sent[1]!.client_id).toBe(sent[0]!.client_id)
  })

  it('waits for the delay that the server gave', async () => {
    const { outbox, acked } = tab()
    results = [{ kind: 'deferred', retryMs: 2_000 }]
    await outbox.add(2, 'a')
    await clock.advance(1_900)
    expect(sent).toHaveLength(1)
    await clock.advance(100)
    await outbox.flush()
    expect(acked).toEqual(['a'])
  })

  it('keeps a refused message, sends the others, and retries on request', async () => {
    const { outbox, acked } = tab()
    results = [{ kind: 'refused', code: 'not_a_member' }]
    await Promise.all([outbox.add(7, 'no'), outbox.add(2, 'yes')])
    await outbox.flush()
    expect(acked).toEqual(['yes'])
    expect(outbox.entries).toMatchObject([{ content: 'no', refused: 'not_a_member' }])
    await outbox.flush()
    expect(sent).toHaveLength(2)
    await outbox.retry(outbox.entries[0]!.client_id)
    expect(acked).toEqual(['yes', 'no'])
    expect(outbox.entries).toEqual([])
  })

  it('discards a refused message on request', async () => {
    const { outbox } = tab()
    results = [{ kind: 'refused', code: 'not_a_member' }]
    await outbox.add(7, 'no')
    await outbox.discard(outbox.entries[0]!.client_id)
    expect(outbox.entries).toEqual([])
    expect(await store.all()).toEqual([])
  })

  it('sends once and in order from two tabs', async () => {
    const lock = newLock()
    results = [deferred, deferred, deferred]
    const one = tab(lock)
    for (const text of ['a', 'b', 'c']) await one.outbox.add(2, text)
    sent = []
    results = []
    const two = tab(lock)
    await two.outbox.load()
    await Promise.all([one.outbox.flush(), two.outbox.flush(), one.outbox.flush()])
    expect(contents(sent)).toEqual(['a', 'b', 'c'])
  })

  it('shows the message of another tab until it is confirmed', async () => {
    const lock = newLock()
    const loads: Promise<void>[] = []
    const two = tab(lock)
    const one = tab(lock, [() => loads.push(two.outbox.load())])
    results = [deferred]
    await one.outbox.add(2, 'a')
    await Promise.all(loads)
    expect(contents(two.outbox.entries)).toEqual(['a'])
    await two.outbox.confirm(two.outbox.entries[0]!.client_id)
    expect(two.outbox.entries).toEqual([])
    await one.outbox.flush()
    expect(sent).toHaveLength(1)
  })

  it('does not show the message of another tab that was confirmed before it was loaded', async () => {
    const lock = newLock()
    const two = tab(lock)
    const one = tab(lock)
    results = [deferred]
    await one.outbox.add(2, 'a')
    await two.outbox.confirm(one.outbox.entries[0]!.client_id)
    await two.outbox.load()
    expect(two.outbox.entries).toEqual([])
    expect(two.shown.flat()).toEqual([])
  })

  it('does not show an acknowledged message again after a concurrent load', async () => {
    const { outbox } = tab()
    const adding = outbox.add(2, 'a')
    const loading = outbox.load()
    await Promise.all([adding, loading])
    expect(outbox.entries).toEqual([])
  })
})
