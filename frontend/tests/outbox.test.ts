import 'fake-indexeddb/auto'
import { openDB } from 'idb'
import { beforeEach, describe, expect, it } from 'vitest'
import type { NewOperation, Operation } from '../src/core/operation'
import { Outbox, type OutboxStore, type Result } from '../src/core/outbox'
import { openOutboxStore } from '../src/core/outbox_store'
import { withPending } from '../src/core/pending'
import { FakeClock, message } from './fakes'

let user = 0
let store: OutboxStore
let clock: FakeClock
/** What was performed. */
let sent: Operation[]
/** The results of the next operations; `done` if empty. */
let results: Result[]
let connected: boolean
let epoch: string | null
let dropped: number

const done: Result = { kind: 'done' }
const deferred: Result = { kind: 'deferred', retryMs: null }
const refused: Result = { kind: 'refused', code: 'not_a_member' }

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
      perform: async (operation) => {
        sent.push(operation)
        await new Promise((resolve) => setTimeout(resolve, 1))
        const result = results.shift() ?? done
        if (result.kind === 'done') acked.push(textOf(operation))
        return result
      },
      isConnected: () => connected,
      epoch: () => epoch,
      deletionDropped: () => dropped++,
      changed: (operations) => shown.push(contents(operations)),
      broadcast: () => others.forEach((changed) => changed()),
      lock,
    },
    clock,
  )
  return { outbox, acked, shown }
}

const textOf = (operation: Operation) =>
  'content' in operation ? operation.content : `${operation.kind} ${operation.message_id}`
const contents = (operations: readonly Operation[]) => operations.map(textOf)
const message2 = (content: string): NewOperation => ({ kind: 'send', chat_id: 2, content })
const edit = (message_id: number, content: string): NewOperation => ({ kind: 'edit', chat_id: 2, message_id, content })
const deletion = (message_id: number): NewOperation => ({ kind: 'delete', chat_id: 2, message_id })

beforeEach(async () => {
  store = await openOutboxStore(++user, () => {})
  clock = new FakeClock()
  sent = []
  results = []
  connected = true
  epoch = 'first'
  dropped = 0
})

describe('the outbox', () => {
  it('shows a message at once', async () => {
    const { outbox, shown } = tab()
    const added = outbox.add(message2('hello'))
    expect(shown).toEqual([['hello']])
    await added
  })

  it('sends in the order of writing, and removes what is acknowledged', async () => {
    const { outbox, acked } = tab()
    await Promise.all([outbox.add(message2('a')), outbox.add({ kind: 'send', chat_id: 3, content: 'b' }), outbox.add(message2('c'))])
    await outbox.flush()
    expect(acked).toEqual(['a', 'b', 'c'])
    expect(contents(sent)).toEqual(['a', 'b', 'c'])
    expect(outbox.operations).toEqual([])
    expect(await store.all()).toEqual([])
  })

  it('keeps what it cannot send, and sends it later with the same client_id', async () => {
    const { outbox } = tab()
    results = [deferred]
    await outbox.add(message2('a'))
    results = [deferred]
    await outbox.add(message2('b'))
    expect(contents(outbox.operations)).toEqual(['a', 'b'])
    await outbox.flush()
    expect(contents(sent)).toEqual(['a', 'a', 'a', 'b'])
    expect(new Set(sent.slice(0, 3).map((e) => e.client_id)).size).toBe(1)
    expect(outbox.operations).toEqual([])
  })

  it('survives a reload', async () => {
    results = [deferred]
    await tab().outbox.add(message2('a'))
    store = await openOutboxStore(user, () => {})
    const { outbox, acked } = tab()
    await outbox.load()
    expect(contents(outbox.operations)).toEqual(['a'])
    await outbox.flush()
    expect(acked).toEqual(['a'])
    expect(sent[1]!.client_id).toBe(sent[0]!.client_id)
  })

  it('waits for the delay that the server gave', async () => {
    const { outbox, acked } = tab()
    results = [{ kind: 'deferred', retryMs: 2_000 }]
    await outbox.add(message2('a'))
    await clock.advance(1_900)
    expect(sent).toHaveLength(1)
    await clock.advance(100)
    await outbox.flush()
    expect(acked).toEqual(['a'])
  })

  it('keeps a refused message, sends the others, and retries on request', async () => {
    const { outbox, acked } = tab()
    results = [refused]
    await Promise.all([outbox.add({ kind: 'send', chat_id: 7, content: 'no' }), outbox.add(message2('yes'))])
    await outbox.flush()
    expect(acked).toEqual(['yes'])
    expect(outbox.operations).toMatchObject([{ content: 'no', refused: 'not_a_member' }])
    await outbox.flush()
    expect(sent).toHaveLength(2)
    await outbox.retry(outbox.operations[0]!.client_id)
    expect(acked).toEqual(['yes', 'no'])
    expect(outbox.operations).toEqual([])
  })

  it('discards a refused message on request', async () => {
    const { outbox } = tab()
    results = [refused]
    await outbox.add({ kind: 'send', chat_id: 7, content: 'no' })
    await outbox.discard(outbox.operations[0]!.client_id)
    expect(outbox.operations).toEqual([])
    expect(await store.all()).toEqual([])
  })

  it('sends once and in order from two tabs', async () => {
    const lock = newLock()
    results = [deferred, deferred, deferred]
    const one = tab(lock)
    for (const text of ['a', 'b', 'c']) await one.outbox.add(message2(text))
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
    await one.outbox.add(message2('a'))
    await Promise.all(loads)
    expect(contents(two.outbox.operations)).toEqual(['a'])
    await two.outbox.confirm(two.outbox.operations[0]!.client_id)
    expect(two.outbox.operations).toEqual([])
    await one.outbox.flush()
    expect(sent).toHaveLength(1)
  })

  it('does not show the message of another tab that was confirmed before it was loaded', async () => {
    const lock = newLock()
    const two = tab(lock)
    const one = tab(lock)
    results = [deferred]
    await one.outbox.add(message2('a'))
    await two.outbox.confirm(one.outbox.operations[0]!.client_id)
    await two.outbox.load()
    expect(two.outbox.operations).toEqual([])
    expect(two.shown.flat()).toEqual([])
  })

  it('does not show an acknowledged message again after a concurrent load', async () => {
    const { outbox } = tab()
    const adding = outbox.add(message2('a'))
    const loading = outbox.load()
    await Promise.all([adding, loading])
    expect(outbox.operations).toEqual([])
  })

  it('carries out sends, edits and deletions in their order, also after a reload', async () => {
    connected = false
    const { outbox } = tab()
    for (const operation of [edit(1, 'changed'), deletion(2), message2('new')]) await outbox.add(operation)
    expect(sent).toEqual([])
    store = await openOutboxStore(user, () => {})
    connected = true
    const reloaded = tab()
    await reloaded.outbox.load()
    expect(contents(reloaded.outbox.operations)).toEqual(['changed', 'delete 2', 'new'])
    await reloaded.outbox.flush()
    expect(reloaded.acked).toEqual(['changed', 'delete 2', 'new'])
    expect(await store.all()).toEqual([])
  })

  it('changes the text of a queued message until it was sent once', async () => {
    connected = false
    const { outbox, acked } = tab()
    await outbox.add(message2('a'))
    const [{ client_id }] = outbox.operations as [Operation]
    expect(await outbox.edit(client_id, 'b')).toBe(true)
    expect(contents(outbox.operations)).toEqual(['b'])
    connected = true
    results = [deferred]
    await outbox.flush()
    // The server may have stored it: a repeat with another text would change nothing.
    expect(await outbox.edit(client_id, 'c')).toBe(false)
    await outbox.flush()
    expect(acked).toEqual(['b'])
  })

  it('sends a refused message with its new text', async () => {
    const { outbox, acked } = tab()
    results = [refused]
    await outbox.add(message2('a'))
    expect(await outbox.edit(outbox.operations[0]!.client_id, 'b')).toBe(true)
    expect(acked).toEqual(['b'])
  })

  it('sends nothing of a former epoch: texts are kept as refused messages', async () => {
    connected = false
    const { outbox, acked } = tab()
    for (const operation of [message2('a'), edit(1, 'b'), deletion(2)]) await outbox.add(operation)
    connected = true
    epoch = 'second'
    await outbox.add(message2('c'))
    expect(contents(sent)).toEqual(['c'])
    expect(outbox.operations).toMatchObject([
      { kind: 'send', content: 'a', refused: 'former_epoch' },
      { kind: 'send', content: 'b', refused: 'former_epoch' },
    ])
    expect(outbox.operations[1]).not.toHaveProperty('message_id')
    expect(dropped).toBe(1)
    for (const { client_id } of outbox.operations) await outbox.retry(client_id)
    expect(acked).toEqual(['c', 'a', 'b'])
    expect(sent.map((operation) => operation.kind)).toEqual(['send', 'send', 'send'])
  })

  it('does not carry out a refused edit of a former epoch that is repeated', async () => {
    const { outbox } = tab()
    results = [refused]
    await outbox.add(edit(1, 'b'))
    epoch = 'second'
    await outbox.flush()
    await outbox.retry(outbox.operations[0]!.client_id)
    expect(sent.map((operation) => operation.kind)).toEqual(['edit', 'send'])
  })

  it('adopts the epoch for what was queued before it was known', async () => {
    epoch = null
    connected = false
    const { outbox, acked } = tab()
    await outbox.add(edit(1, 'b'))
    epoch = 'first'
    connected = true
    await outbox.flush()
    expect(acked).toEqual(['b'])
  })
})

describe('tabs with different versions of the page', () => {
  const name = () => `parley-${user}`
  const newerRow = { kind: 'react', client_id: 'newer', chat_id: 2, created_at: '', epoch: 'first', version: 99 }

  it('an older one goes on with a database that a newer one upgrades, and leaves alone what it does not know', async () => {
    const { outbox } = tab()
    connected = false
    await outbox.add(message2('a'))
    const newer = await openDB(name(), 99)
    await newer.add('outbox', newerRow)
    await outbox.add(message2('b'))
    expect(await newer.getAll('outbox')).toMatchObject([{ content: 'a' }, newerRow, { content: 'b' }])
    await outbox.load()
    expect(contents(outbox.operations)).toEqual(['a', 'b'])
    connected = true
    await outbox.flush()
    expect(sent.map(textOf)).toEqual(['a', 'b'])
    expect(await newer.getAll('outbox')).toMatchObject([newerRow])
    newer.close()
  })

  it('an older one starts with the database of a newer one', async () => {
    const newer = await openDB(`parley-${++user}`, 99, {
      upgrade(db) {
        const rows = db.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true })
        rows.createIndex('client_id', 'client_id', { unique: true })
      },
    })
    store = await openOutboxStore(user, () => {})
    const { outbox } = tab()
    await outbox.add(message2('a'))
    expect(sent.map(textOf)).toEqual(['a'])
    connected = false
    await outbox.add(message2('b'))
    expect(await newer.getAll('outbox')).toMatchObject([{ content: 'b' }])
    newer.close()
  })

  it('a newer one sends while an older one keeps the database, and reads what is in it afterwards', async () => {
    const older = await openDB(`parley-${++user}`, 1, {
      upgrade(db) {
        const rows = db.createObjectStore('outbox', { keyPath: 'n', autoIncrement: true })
        rows.createIndex('client_id', 'client_id', { unique: true })
      },
    })
    await older.add('outbox', { client_id: 'old', chat_id: 2, content: 'old', created_at: '' })
    let changed: () => void = () => {}
    const opened = new Promise<void>((resolve) => (changed = resolve))
    store = await openOutboxStore(user, changed)
    const { outbox } = tab()
    await outbox.load()
    await outbox.add(message2('new'))
    expect(sent.map(textOf)).toEqual(['new'])
    older.close()
    await opened
    await outbox.load()
    await outbox.flush()
    expect(sent.map(textOf)).toEqual(['new', 'old'])
    expect(await store.all()).toEqual([])
  })
})

describe('the messages of a chat with what is pending', () => {
  const queued = (fields: NewOperation & { refused?: string; epoch?: string }) =>
    ({ n: 1, client_id: 'x', created_at: '', epoch: 'first', ...fields }) as Operation
  const messages = [message(1), message(2)]
  const shown = (...outbox: Operation[]) => withPending({ messages, isLive: true, outbox, chatId: 2, epoch: 'first', me: 1 })

  it('are the same list if nothing is pending in this chat', () => {
    expect(shown(queued({ kind: 'send', chat_id: 3, content: 'x' }))).toBe(messages)
  })

  it('have the new text, the deletion, and the messages to be sent at the end', () => {
    const outbox = [queued(edit(1001, 'new')), queued(deletion(1002)), queued(message2('sent'))]
    expect(shown(...outbox)).toEqual([
      { ...message(1), content: 'new', pending: outbox[0] },
      { ...message(2), content: null, deleted: true, pending: outbox[1] },
      outbox[2],
    ])
  })

  it('have the text of a refused edit, and the text of a message whose deletion was refused', () => {
    const outbox = [
      queued({ ...edit(1001, 'new'), refused: 'no_such_message' }),
      queued({ ...deletion(1002), refused: 'not_sender' }),
    ]
    expect(shown(...outbox)).toEqual([
      { ...message(1), content: 'new', pending: outbox[0] },
      { ...message(2), pending: outbox[1] },
    ])
  })

  it('do not have the messages to be sent after an earlier part of the conversation', () => {
    const outbox = [queued(message2('sent'))]
    expect(withPending({ messages, isLive: false, outbox, chatId: 2, epoch: 'first', me: 1 })).toBe(messages)
  })

  it('have the pending reactions beside another change', () => {
    const react = { kind: 'react', chat_id: 2, message_id: 1001, seq: 1, emoji: '👍', on: true } as const
    const outbox = [queued(react), queued(edit(1001, 'new')), queued({ kind: 'pin', chat_id: 2, message_id: 1002, on: true })]
    expect(shown(...outbox)).toEqual([
      {
        ...message(1),
        content: 'new',
        reactions: [{ emoji: '👍', count: 1, user_ids: [1], mine: true }],
        pending: outbox[1],
      },
      message(2),
    ])
  })

  it('are not changed by what another epoch has queued for the same id', () => {
    expect(shown(queued({ ...edit(1001, 'new'), epoch: 'zero' }))).toEqual(messages)
  })
})
