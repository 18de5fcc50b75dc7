import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../src/core/api'
import { liveMessages, segmentAt } from '../src/core/history'
import { Messenger } from '../src/core/messenger'
import { createAppStore } from '../src/core/state'
import type { Chat, Message, ServerFrame } from '../src/core/types'
import { BO, ME, Harness, chat, message, flushMicrotasks } from './fakes'

let harness: Harness

beforeEach(() => {
  harness = new Harness()
  harness.messages = [1, 2, 3].map((seq) => message(seq))
  harness.chats = [chat({ last_seq: 3, last_mod: 3, read_seq: 3, last_message: message(3) })]
})

const texts = (messenger: Messenger, id = 2) =>
  segmentAt(messenger.timeline.get(id), null)?.messages.map((m) => m.content)
const loaded = (messenger: Messenger) => liveMessages(messenger.timeline.get(2))
const summary = (messenger: Messenger, id = 2) => messenger.store.getState().chats.get(id)!

/** Opens the chat with Bo at `seq`; null: at its end. */
function openChat(messenger: Messenger, seq: number | null = null): void {
  messenger.timeline.show(2, seq)
  messenger.open(2)
}

async function opened(): Promise<Messenger> {
  const messenger = await harness.start()
  openChat(messenger)
  await flushMicrotasks()
  return messenger
}

function ackLast(fields: Partial<Message> & { duplicate?: boolean } = {}): void {
  const send = harness.socket.ofType('send').at(-1)!
  harness.socket.receive({
    type: 'ack',
    id: send.id,
    message_id: 1004,
    chat_id: 2,
    seq: 4,
    mod: 4,
    sent_at: '2026-11-22T10:00:01.000Z',
    ...fields,
  })
}

describe('starting', () => {
  it('is signed out if the server rejects the cookie', async () => {
    harness.api.handlers.set('GET /users/me', () => {
      throw new ApiError(401, 'unauthorized')
    })
    const messenger = new Messenger(createAppStore(), harness.environment())
    await messenger.session.start()
    expect(messenger.store.getState().phase).toBe('signed_out')
    expect(harness.sockets).toHaveLength(0)
  })

  it('retries until the server answers', async () => {
    harness.api.handlers.delete('GET /users/me')
    const messenger = new Messenger(createAppStore(), harness.environment())
    await messenger.session.start()
    expect(messenger.store.getState().phase).toBe('unreachable')
    harness.api.handlers.set('GET /users/me', () => ME)
    await harness.clock.advance(1_000)
    expect(messenger.store.getState().phase).toBe('signed_in')
  })

  it('syncs every listed chat from its mod, and watches the peers', async () => {
    await harness.start()
    expect(harness.socket.ofType('sync')).toEqual([{ type: 'sync', epoch: 'first', after: { '2': 3 } }])
    expect(harness.socket.ofType('presence')).toEqual([{ type: 'presence', watch: [2] }])
  })

  it('loads the newest page of the open chat, oldest message first', async () => {
    expect(texts(await opened())).toEqual(['text 1', 'text 2', 'text 3'])
  })
})

describe('receiving', () => {
  it('adds a push to the history and to the unread count', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4) })
    expect(texts(messenger)).toContain('text 4')
    expect(summary(messenger)).toMatchObject({ unread: 1, last_seq: 4, read_seq: 3 })
    expect(harness.notified).toHaveLength(1)
  })

  it('counts a repeated push once', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4) })
    harness.socket.receive({ type: 'message', ...message(4) })
    expect(summary(messenger).unread).toBe(1)
  })

  it('does not count joins; an own message from another device marks the chat as read', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4, { kind: 'join', user_id: 9 }) })
    expect(summary(messenger).unread).toBe(0)
    harness.socket.receive({ type: 'message', ...message(5) })
    harness.socket.receive({ type: 'message', ...message(6, { sender_id: 1 }) })
    expect(summary(messenger)).toMatchObject({ unread: 0, read_seq: 6 })
  })

  it('takes a message of the peer as its read mark', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4) })
    expect(summary(messenger).peer_read_seq).toBe(4)
  })

  it('applies an edit of an unknown message', async () => {
    const messenger = await opened()
    const edited = message(4, { mod: 5, content: 'as edited', edited_at: message(4).sent_at })
    harness.socket.receive({ type: 'edited', ...edited })
    expect(texts(messenger)).toContain('as edited')
    expect(summary(messenger).unread).toBe(1)
  })

  it('applies a deletion to the history and to the chat list', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'deleted', chat_id: 2, message_id: 1003, seq: 3, mod: 4 })
    expect(texts(messenger)).toEqual(['text 1', 'text 2', null])
    expect(summary(messenger).last_message?.deleted).toBe(true)
  })

  it('applies the read mark of another device, and never moves it back', async () => {
    const messenger = await opened()
    for (const seq of [4, 5, 6]) harness.socket.receive({ type: 'message', ...message(seq) })
    harness.socket.receive({ type: 'read', chat_id: 2, user_id: 1, seq: 5 })
    expect(summary(messenger)).toMatchObject({ read_seq: 5, unread: 1 })
    harness.socket.receive({ type: 'read', chat_id: 2, user_id: 1, seq: 4 })
    expect(summary(messenger).read_seq).toBe(5)
  })

  it('ends a typing indicator after its expiry, or at a message', async () => {
    const messenger = await opened()
    const typing = () => messenger.store.getState().typing.get(2)?.has(2) ?? false
    harness.socket.receive({ type: 'typing', chat_id: 2, user_id: 2, is_typing: true })
    await harness.clock.advance(4_000)
    harness.socket.receive({ type: 'typing', chat_id: 2, user_id: 2, is_typing: true })
    await harness.clock.advance(4_000)
    expect(typing()).toBe(true)
    await harness.clock.advance(3_000)
    expect(typing()).toBe(false)
    harness.socket.receive({ type: 'typing', chat_id: 2, user_id: 2, is_typing: true })
    harness.socket.receive({ type: 'message', ...message(4) })
    expect(typing()).toBe(false)
  })

  it('adds a new chat to the list, and removes it again', async () => {
    const messenger = await opened()
    const group = chat({ chat_id: 9, kind: 'group', name: 'G', peer: null, last_seq: 1, last_mod: 1 })
    harness.socket.receive({ type: 'chat', ...group })
    expect(summary(messenger, 9).name).toBe('G')
    harness.socket.receive({ type: 'chat_removed', chat_id: 9 })
    expect(messenger.store.getState().chats.has(9)).toBe(false)
  })
})

describe('reconnecting', () => {
  it('syncs from the resume point, not from the last_mod of the chat list', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4) })
    harness.chats = [chat({ last_seq: 9, last_mod: 12, read_seq: 3, unread: 6, last_message: message(9) })]
    harness.socket.closeFromServer(1006)
    expect(messenger.store.getState().disconnectedAt).not.toBeNull()
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('sync')).toEqual([{ type: 'sync', epoch: 'first', after: { '2': 4 } }])
    const changed = [5, 6, 7, 8, 9].map((seq) => message(seq))
    changed.push(message(2, { mod: 12, content: 'edited' }))
    harness.socket.receive({ type: 'messages', chat_id: 2, messages: changed, read_seq: 3, more: false })
    harness.socket.receive({ type: 'synced' })
    expect(texts(messenger)).toHaveLength(9)
    expect(texts(messenger)![1]).toBe('edited')
    expect(summary(messenger).unread).toBe(6)
    expect(messenger.store.getState()).toMatchObject({ catchingUp: false, disconnectedAt: null })
  })

  it('takes the last_mod of the chat list for a chat that was never opened', async () => {
    await harness.start()
    harness.chats = [chat({ last_seq: 9, last_mod: 12 })]
    harness.socket.closeFromServer(1001)
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('sync')).toEqual([{ type: 'sync', epoch: 'first', after: { '2': 12 } }])
  })

  it('loads the newest page instead of syncing thousands of changes', async () => {
    const messenger = await opened()
    harness.messages = Array.from({ length: 3000 }, (_, i) => message(i + 1))
    harness.chats = [chat({ last_seq: 3000, last_mod: 3000, last_message: message(3000), unread: 2997, read_seq: 3 })]
    harness.socket.closeFromServer(1006)
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('sync')).toEqual([{ type: 'sync', epoch: 'first', after: { '2': 3000 } }])
    expect(texts(messenger)).toHaveLength(50)
    expect(texts(messenger)!.at(-1)).toBe('text 3000')
  })

  it('drops a chat that is no longer listed', async () => {
    const messenger = await opened()
    harness.chats = []
    harness.socket.receive({ type: 'resync' })
    await flushMicrotasks()
    expect(messenger.store.getState().chats.size).toBe(0)
    expect(harness.socket.ofType('sync').at(-1)).toEqual({ type: 'sync', epoch: 'first', after: {} })
  })

  it('syncs again after a resync frame', async () => {
    await opened()
    harness.socket.receive({ type: 'resync' })
    await flushMicrotasks()
    expect(harness.socket.ofType('sync')).toHaveLength(2)
  })

  it('reads the members of a group page by page, when requested', async () => {
    const member = (user_id: number) => ({ user_id, username: '', full_name: '', joined_at: '', read_seq: 0 })
    const group = { group_id: 9, name: 'Club', owner_id: 1, created_at: '', member_count: 2 }
    harness.api.handlers.set('GET /groups/9', (_, path) =>
      path.endsWith('?after=1.1')
        ? { ...group, members: [member(2)], next: null }
        : { ...group, members: [member(1)], next: '1.1' },
    )
    harness.chats = [chat({ chat_id: 9, kind: 'group', peer: null })]
    harness.api.handlers.set('GET /messages/9', () => ({ messages: [], more: false }))
    const messenger = await harness.start()
    messenger.open(9)
    await flushMicrotasks()
    const members = () => messenger.store.getState().groups.get(9)?.members.map((m) => m.user_id)
    expect(members()).toEqual([1])
    await messenger.groups.loadMore(9)
    expect(members()).toEqual([1, 2])
  })

  it('retries if the chat list cannot be read', async () => {
    await opened()
    harness.api.handlers.set('GET /chats', () => {
      throw new ApiError(503, 'unavailable')
    })
    harness.socket.receive({ type: 'resync' })
    await flushMicrotasks()
    expect(harness.socket.ofType('sync')).toHaveLength(1)
    harness.api.handlers.set('GET /chats', () => ({ chats: harness.chats, next: null }))
    await harness.clock.advance(5_000)
    expect(harness.socket.ofType('sync')).toHaveLength(2)
  })

  it('retries a sync that failed with a transient error, and only that', async () => {
    await opened()
    harness.socket.receive({ type: 'error', code: 'unavailable', retry_after_ms: 500 })
    await harness.clock.advance(500)
    expect(harness.socket.ofType('sync')).toHaveLength(2)
    harness.socket.receive({ type: 'error', code: 'invalid' })
    await harness.clock.advance(10_000)
    expect(harness.socket.ofType('sync')).toHaveLength(2)
  })

  it('reads all pages of the chat list', async () => {
    const lists: Record<string, unknown> = {
      '/chats?limit=100': { chats: [chat({ chat_id: 3 })], next: 'a b' },
      '/chats?limit=200&after=a%20b': { chats: harness.chats, next: null },
    }
    harness.api.handlers.set('GET /chats', (_, path) => lists[path])
    const messenger = await harness.start()
    expect([...messenger.store.getState().chats.keys()]).toEqual([3, 2])
  })

  it('catches up again if a chat of the pages to come was moved to the first one', async () => {
    await opened()
    harness.socket.receive({ type: 'resync' })
    harness.socket.receive({ type: 'message', ...message(1, { chat_id: 3 }) })
    await flushMicrotasks()
    harness.chats = [...harness.chats, chat({ chat_id: 3, last_seq: 1, last_mod: 1 })]
    harness.socket.receive({ type: 'synced' })
    await flushMicrotasks()
    expect(harness.socket.ofType('sync').at(-1)?.after).toEqual({ '2': 3, '3': 1 })
  })

  it.each<[string, ServerFrame, Partial<Chat>]>([
    ['message', { type: 'message', ...message(2, { chat_id: 3 }) }, { last_seq: 2, last_mod: 2, unread: 2 }],
    ['deletion', { type: 'deleted', chat_id: 3, message_id: 1001, seq: 1, mod: 2 }, { last_mod: 2, unread: 0 }],
    ['read mark', { type: 'read', chat_id: 3, user_id: 1, seq: 1 }, { read_seq: 1, unread: 0 }],
  ])('reads the list again if it is older than a %s of a new chat', async (_, frame, fresh) => {
    const messenger = await opened()
    const listed = { ...chat({ chat_id: 3, last_seq: 1, last_mod: 1, unread: 1 }), last_message: message(1, { chat_id: 3 }) }
    harness.chats = [listed, ...harness.chats]
    harness.socket.receive({ type: 'resync' })
    harness.socket.receive(frame)
    await flushMicrotasks()
    expect(summary(messenger, 3)).toMatchObject({ last_mod: 1, unread: 1 })
    harness.chats = [{ ...listed, ...fresh }, ...harness.chats.slice(1)]
    harness.socket.receive({ type: 'synced' })
    await flushMicrotasks()
    harness.socket.receive({ type: 'synced' })
    expect(summary(messenger, 3)).toMatchObject(fresh)
    expect(messenger.store.getState().catchingUp).toBe(false)
  })

  it('keeps a chat that has a new message while the list is read', async () => {
    const messenger = await opened()
    harness.chats = []
    harness.socket.receive({ type: 'resync' })
    harness.socket.receive({ type: 'message', ...message(4) })
    await flushMicrotasks()
    expect(summary(messenger)).toMatchObject({ last_seq: 4 })
  })

  it('drops everything of another epoch, and starts from the chat list', async () => {
    const messenger = await opened()
    messenger.operations.send(2, 'queued')
    harness.messages = [message(1), message(2, { content: 'of the new epoch' })]
    harness.chats = [chat({ last_seq: 2, last_mod: 2, read_seq: 1, last_message: message(2) })]
    harness.socket.receive({ type: 'resync', epoch: 'second' })
    // The open chat is not gone: the list of the new epoch is not loaded yet.
    expect(messenger.store.getState()).toMatchObject({ chats: new Map(), chatListLoaded: false })
    await flushMicrotasks()
    expect(messenger.store.getState().chatListLoaded).toBe(true)
    expect(texts(messenger)).toEqual(['text 1', 'of the new epoch'])
    expect(summary(messenger)).toMatchObject({ last_seq: 2, last_mod: 2, read_seq: 1 })
    expect(harness.socket.ofType('sync').at(-1)).toEqual({
      type: 'sync',
      epoch: 'second',
      after: { '2': 2 },
    })
    expect(messenger.store.getState().outbox).toMatchObject([{ content: 'queued', refused: 'former_epoch' }])
  })

  it('drops everything if the epoch changed while it was disconnected', async () => {
    const messenger = await opened()
    harness.messages = []
    harness.chats = []
    harness.socket.closeFromServer(1006)
    await harness.clock.advance(60_000)
    harness.socket.epoch = 'second'
    harness.socket.ready()
    await flushMicrotasks()
    expect(messenger.store.getState().chats.size).toBe(0)
    expect(texts(messenger)).toEqual([])
  })

  it('ignores a page that was requested in another epoch', async () => {
    const messenger = await harness.start()
    let respond: (response: Response) => void = () => {}
    vi.spyOn(harness.api, 'messages').mockImplementationOnce(() =>
      new Promise<Response>((resolve) => {
        respond = resolve
      }).then((response) => response.json()),
    )
    openChat(messenger)
    harness.messages = [message(1, { content: 'of the new epoch' })]
    harness.socket.receive({ type: 'resync', epoch: 'second' })
    await flushMicrotasks()
    respond(new Response(JSON.stringify({ messages: [message(3)], more: false })))
    await flushMicrotasks()
    expect(texts(messenger)).toEqual(['of the new epoch'])
  })

  it('loads a chat again that a sync resets', async () => {
    const messenger = await opened()
    harness.messages = [message(1, { content: 'restored' })]
    harness.socket.receive({
      type: 'messages',
      chat_id: 2,
      messages: [message(1, { content: 'restored' })],
      read_seq: 0,
      more: false,
      reset: true,
    })
    await flushMicrotasks()
    expect(texts(messenger)).toEqual(['restored'])
    expect(summary(messenger)).toMatchObject({
      last_seq: 1,
      last_mod: 1,
      last_message: { content: 'restored' },
      read_seq: 0,
      unread: 1,
    })
  })

  it('requests what is missing if a gap stays open', async () => {
    await opened()
    harness.socket.receive({ type: 'message', ...message(6) })
    await harness.clock.advance(1_900)
    expect(harness.socket.ofType('sync')).toHaveLength(1)
    await harness.clock.advance(100)
    expect(harness.socket.ofType('sync').at(-1)).toEqual({ type: 'sync', epoch: 'first', after: { '2': 3 } })
    expect(harness.api.calls.at(-1)).toContain('after=3')
  })

  it('requests nothing if the gap closes by itself', async () => {
    await opened()
    harness.socket.receive({ type: 'message', ...message(5) })
    harness.socket.receive({ type: 'message', ...message(4) })
    await harness.clock.advance(5_000)
    expect(harness.socket.ofType('sync')).toHaveLength(1)
  })

  it('signs out after 4501, and keeps the outbox', async () => {
    const messenger = await opened()
    messenger.operations.send(2, 'later')
    await flushMicrotasks()
    harness.socket.closeFromServer(4501)
    expect(messenger.store.getState()).toMatchObject({ phase: 'signed_out', expired: true })
    expect(await harness.outboxes.get(1)!.all()).toHaveLength(1)
  })

  it('signs out if the handshake fails because the session has ended', async () => {
    const messenger = await opened()
    harness.api.handlers.set('GET /users/me', () => {
      throw new ApiError(401, 'unauthorized')
    })
    harness.socket.closeFromServer(1006)
    await harness.clock.advance(1_000)
    harness.socket.closeFromServer(1006)
    await flushMicrotasks()
    expect(messenger.store.getState().phase).toBe('signed_out')
  })
})

describe('sending', () => {
  it('shows a message at once, and replaces it by the stored one after the ack', async () => {
    const messenger = await opened()
    messenger.operations.send(2, 'hi')
    expect(messenger.store.getState().outbox).toMatchObject([{ content: 'hi' }])
    await flushMicrotasks()
    const [send] = harness.socket.ofType('send')
    expect(send).toMatchObject({ receiver_id: 2, content: 'hi' })
    ackLast()
    await flushMicrotasks()
    expect(messenger.store.getState().outbox).toEqual([])
    const last = segmentAt(messenger.timeline.get(2), null)!.messages.at(-1)
    expect(last).toMatchObject({ seq: 4, content: 'hi', client_id: send!.id, sender_id: 1 })
    expect(summary(messenger)).toMatchObject({ last_seq: 4, read_seq: 4 })
    expect(messenger.store.getState().histories.get(2)!.mod).toBe(4)
  })

  it('sends offline messages in order after reconnecting, with the same client_ids', async () => {
    const messenger = await opened()
    harness.socket.closeFromServer(1006)
    messenger.operations.send(2, 'a')
    messenger.operations.send(2, 'b')
    await flushMicrotasks()
    const ids = messenger.store.getState().outbox.map((e) => e.client_id)
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('send').map((f) => f.content)).toEqual(['a'])
    ackLast()
    await flushMicrotasks()
    ackLast({ seq: 5, mod: 5, message_id: 1005 })
    await flushMicrotasks()
    expect(harness.socket.ofType('send').map((f) => f.id)).toEqual(ids)
    expect(texts(messenger)!.slice(-2)).toEqual(['a', 'b'])
  })

  it('repeats a send whose ack was lost with the same client_id, and accepts the duplicate ack', async () => {
    const messenger = await opened()
    messenger.operations.send(2, 'hi')
    await flushMicrotasks()
    const id = harness.socket.ofType('send')[0]!.id
    harness.socket.closeFromServer(1006)
    harness.messages.push(message(4, { sender_id: 1, content: 'hi', client_id: id }))
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('send')[0]!.id).toBe(id)
    ackLast({ duplicate: true })
    await flushMicrotasks()
    expect(messenger.store.getState().outbox).toEqual([])
    expect(texts(messenger)).toEqual(['text 1', 'text 2', 'text 3', 'hi'])
  })

  it('takes a push with an own client_id as acknowledgement', async () => {
    const messenger = await opened()
    messenger.operations.send(2, 'hi')
    await flushMicrotasks()
    const id = harness.socket.ofType('send')[0]!.id
    harness.socket.receive({ type: 'message', ...message(4, { sender_id: 1, client_id: id }) })
    await flushMicrotasks()
    expect(messenger.store.getState().outbox).toEqual([])
  })

  it('reconnects if a send is not acknowledged in time', async () => {
    const messenger = await opened()
    messenger.operations.send(2, 'hi')
    await flushMicrotasks()
    await harness.clock.advance(15_000)
    expect(harness.socket.closedWith).not.toBeNull()
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('send')).toHaveLength(1)
  })

  it('retries after a transient error, and gives up after a permanent one', async () => {
    const messenger = await opened()
    messenger.operations.send(2, 'hi')
    await flushMicrotasks()
    const error = { type: 'error', id: harness.socket.ofType('send')[0]!.id } as const
    harness.socket.receive({ ...error, code: 'unavailable', retry_after_ms: 1_000 })
    await harness.clock.advance(1_000)
    expect(harness.socket.ofType('send')).toHaveLength(2)
    harness.socket.receive({ ...error, code: 'not_found' })
    await flushMicrotasks()
    expect(messenger.store.getState().outbox).toMatchObject([{ refused: 'not_found' }])
  })

  it('sends the read mark of an offline page after reconnecting', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4) })
    harness.socket.closeFromServer(1006)
    messenger.operations.read(2, 4)
    expect(summary(messenger).unread).toBe(0)
    harness.chats = [chat({ last_seq: 4, last_mod: 4, read_seq: 3, unread: 1, last_message: message(4) })]
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('read')).toEqual([{ type: 'read', chat_id: 2, seq: 4 }])
  })

  it('starts a conversation with a first message', async () => {
    harness.chats = []
    harness.messages = []
    const messenger = await opened()
    messenger.people.add(BO)
    messenger.operations.send(2, 'first')
    await flushMicrotasks()
    harness.chats = [
      chat({ last_seq: 1, last_mod: 1, read_seq: 1, last_message: message(1, { sender_id: 1 }) }),
    ]
    ackLast({ seq: 1, mod: 1, message_id: 1001 })
    await flushMicrotasks()
    expect(texts(messenger)).toEqual(['first'])
    expect(summary(messenger).last_seq).toBe(1)
    harness.socket.receive({ type: 'message', ...message(2) })
    expect(texts(messenger)).toEqual(['first', 'text 2'])
  })
})

describe('changing messages', () => {
  const change = (messenger: Messenger) => {
    const [first, second] = loaded(messenger)
    void messenger.operations.edit(first!, 'changed')
    void messenger.operations.delete(second!)
    messenger.operations.send(2, 'new')
  }

  it('carries out what was done offline, once and in order', async () => {
    const messenger = await opened()
    harness.socket.closeFromServer(1006)
    change(messenger)
    await flushMicrotasks()
    harness.api.calls = []
    harness.api.handlers.set('PATCH /messages/1001', () => message(1, { mod: 4, content: 'changed' }))
    harness.api.handlers.set('DELETE /messages/1002', () => undefined)
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    await flushMicrotasks()
    expect(harness.api.calls.filter((call) => !call.startsWith('GET'))).toEqual([
      'PATCH /messages/1001',
      'DELETE /messages/1002',
    ])
    expect(harness.socket.ofType('send').map((frame) => frame.content)).toEqual(['new'])
    expect(texts(messenger)).toEqual(['changed', null, 'text 3'])
  })

  it('repeats a change whose answer was lost; what is not there is deleted', async () => {
    const messenger = await opened()
    await messenger.operations.delete(loaded(messenger)[0]!)
    await flushMicrotasks()
    expect(messenger.store.getState().outbox).toMatchObject([{ kind: 'delete' }])
    harness.api.handlers.set('DELETE /messages/1001', () => {
      throw new ApiError(404, 'no_such_message')
    })
    await harness.clock.advance(2_000)
    expect(messenger.store.getState().outbox).toEqual([])
  })

  it('keeps a refused edit; a new one replaces it', async () => {
    const messenger = await opened()
    harness.api.handlers.set('PATCH /messages/1001', () => {
      throw new ApiError(403, 'not_sender')
    })
    const [first] = loaded(messenger)
    await messenger.operations.edit(first!, 'one')
    await flushMicrotasks()
    expect(messenger.store.getState().outbox).toMatchObject([{ content: 'one', refused: 'not_sender' }])
    await messenger.operations.edit(first!, 'two')
    await flushMicrotasks()
    expect(messenger.store.getState().outbox).toMatchObject([{ content: 'two', refused: 'not_sender' }])
  })

  it('counts a deletion whose push the answer to an own edit has overtaken', async () => {
    const messenger = await opened()
    for (const seq of [4, 5]) harness.socket.receive({ type: 'message', ...message(seq) })
    expect(summary(messenger).unread).toBe(2)
    const own = message(2, { sender_id: 1, mod: 7, content: 'edited' })
    harness.api.handlers.set('PATCH /messages/1002', () => own)
    await messenger.operations.edit(message(2, { sender_id: 1 }), 'edited')
    await flushMicrotasks()
    expect(texts(messenger)).toContain('edited')
    const deleted = { type: 'deleted', chat_id: 2, message_id: 1005, seq: 5, mod: 6 } as const
    harness.socket.receive(deleted)
    expect(summary(messenger).unread).toBe(1)
    harness.socket.receive({ type: 'edited', ...own })
    harness.socket.receive(deleted)
    expect(summary(messenger)).toMatchObject({ unread: 1, last_mod: 7 })
  })

  it('drops a queued deletion of another epoch, and says so', async () => {
    const messenger = await opened()
    harness.socket.closeFromServer(1006)
    change(messenger)
    await flushMicrotasks()
    harness.api.calls = []
    await harness.clock.advance(1_000)
    harness.socket.epoch = 'second'
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.api.calls.filter((call) => !call.startsWith('GET'))).toEqual([])
    expect(harness.socket.ofType('send')).toEqual([])
    expect(harness.warnings).toEqual(['deletion_dropped'])
    expect(messenger.store.getState().outbox).toMatchObject([
      { kind: 'send', content: 'changed', refused: 'former_epoch' },
      { kind: 'send', content: 'new', refused: 'former_epoch' },
    ])
  })
})

describe('starting from the cache', () => {
  async function cached(): Promise<void> {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4) })
    await harness.clock.advance(1_000)
    expect(messenger.store.getState().phase).toBe('signed_in')
  }

  async function restarted(): Promise<Messenger> {
    const messenger = new Messenger(createAppStore(), harness.environment())
    await messenger.session.start()
    await flushMicrotasks()
    return messenger
  }

  it('shows chats and messages without a server', async () => {
    await cached()
    harness.api.handlers.clear()
    const messenger = await restarted()
    openChat(messenger)
    expect(messenger.store.getState()).toMatchObject({ phase: 'signed_in', me: ME, chatListLoaded: false })
    expect(summary(messenger)).toMatchObject({ last_seq: 4, unread: 1 })
    expect(texts(messenger)).toEqual(['text 1', 'text 2', 'text 3', 'text 4'])
  })

  it('continues from the mod of its messages, whatever the list says', async () => {
    await cached()
    harness.chats = [chat({ last_seq: 6, last_mod: 7, read_seq: 3, unread: 3, last_message: message(6) })]
    const messenger = await restarted()
    openChat(messenger)
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('sync')).toEqual([{ type: 'sync', epoch: 'first', after: { '2': 4 } }])
  })

  it('caches no messages with a gap', async () => {
    await opened()
    harness.socket.receive({ type: 'message', ...message(6) })
    await harness.clock.advance(1_500)
    expect(harness.cache.chats.get(2)).toMatchObject({ chat: { last_seq: 6 }, history: null })
  })

  it('sends a read mark that the server has not stored', async () => {
    const messenger = await opened()
    harness.socket.receive({ type: 'message', ...message(4) })
    harness.socket.closeFromServer(1006)
    messenger.operations.read(2, 4)
    await harness.clock.advance(2_000)
    harness.chats = [chat({ last_seq: 4, last_mod: 4, read_seq: 3, unread: 1, last_message: message(4) })]
    await restarted()
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('read')).toEqual([{ type: 'read', chat_id: 2, seq: 4 }])
  })

  it('drops all of it in another epoch', async () => {
    await cached()
    harness.messages = []
    harness.chats = []
    const messenger = await restarted()
    harness.socket.epoch = 'second'
    harness.socket.ready()
    await flushMicrotasks()
    expect(messenger.store.getState()).toMatchObject({ chats: new Map(), chatListLoaded: true })
    await harness.clock.advance(1_000)
    expect([...harness.cache.chats.keys()]).toEqual([])
    expect(harness.cache.session).toMatchObject({ epoch: 'second' })
  })

  it('ignores the records of another epoch and of another user', async () => {
    await cached()
    const record = harness.cache.chats.get(2)!
    harness.cache.chats.set(3, { ...record, chat_id: 3, epoch: 'zero' })
    harness.cache.chats.set(4, { ...record, chat_id: 4, user_id: 7 })
    const messenger = await restarted()
    expect([...messenger.store.getState().chats.keys()]).toEqual([2])
  })

  it('keeps the latest 200 chats and 50 messages of each', async () => {
    harness.messages = Array.from({ length: 120 }, (_, i) => message(i + 1))
    harness.chats = [chat({ last_seq: 120, last_mod: 120, read_seq: 120 })]
    for (let id = 3; id < 300; id++) harness.chats.push(chat({ chat_id: id, peer: null, kind: 'group' }))
    await opened()
    await harness.clock.advance(1_000)
    expect(harness.cache.chats.size).toBe(200)
    expect(harness.cache.chats.has(202)).toBe(false)
    const { history } = harness.cache.chats.get(2)!
    expect(history).toMatchObject({ mod: 120 })
    expect(harness.cache.chats.get(2)!.history!.messages.map((m) => m.seq)[0]).toBe(71)
  })

  it('is signed out, and the cache erased, if the server has ended the session', async () => {
    await cached()
    harness.api.handlers.set('GET /users/me', () => {
      throw new ApiError(401, 'bad_token')
    })
    const messenger = await restarted()
    expect(messenger.store.getState()).toMatchObject({ phase: 'signed_out', expired: true })
    expect(await harness.cache.load()).toEqual({ session: null, chats: [] })
  })

  it('saves no chat after it was erased, if that came while the session was saved', async () => {
    const messenger = await opened()
    harness.api.handlers.set('POST /users/logout', () => null)
    const saveSession = harness.cache.saveSession.bind(harness.cache)
    harness.cache.saveSession = async (session) => {
      await saveSession(session)
      await messenger.session.logout()
    }
    harness.socket.receive({ type: 'message', ...message(4) })
    await harness.clock.advance(1_000)
    await flushMicrotasks()
    expect(messenger.store.getState().phase).toBe('signed_out')
    expect(await harness.cache.load()).toEqual({ session: null, chats: [] })
  })

  it('shows nothing of a user whose cookie was replaced by that of another one', async () => {
    await cached()
    harness.api.handlers.set('GET /users/me', () => BO)
    const messenger = await restarted()
    expect(messenger.store.getState()).toMatchObject({ phase: 'signed_in', me: BO, chats: new Map() })
    expect(harness.cache.chats.size).toBe(0)
  })
})

describe('without a WebSocket', () => {
  async function blocked(): Promise<Messenger> {
    const messenger = new Messenger(createAppStore(), harness.environment())
    await messenger.session.start()
    await flushMicrotasks()
    harness.socket.closeFromServer(1006)
    await harness.clock.advance(0)
    return messenger
  }

  it('reads chats and messages over HTTP, and what is new now and then', async () => {
    const messenger = await blocked()
    expect(messenger.store.getState()).toMatchObject({ polling: true, chatListLoaded: true })
    openChat(messenger)
    await flushMicrotasks()
    expect(texts(messenger)).toEqual(['text 1', 'text 2', 'text 3'])
    harness.messages.push(message(4))
    harness.chats = [chat({ last_seq: 4, last_mod: 4, read_seq: 3, unread: 1, last_message: message(4) })]
    harness.api.calls = []
    await harness.clock.advance(60_000)
    expect(summary(messenger)).toMatchObject({ last_seq: 4, unread: 1 })
    expect(texts(messenger)).toContain('text 4')
    expect(harness.api.calls.filter((call) => call.startsWith('GET /chats')).length).toBeLessThan(8)
  })

  it('sends over HTTP, with the client_id', async () => {
    const messenger = await blocked()
    openChat(messenger)
    await flushMicrotasks()
    const sent: unknown[] = []
    harness.api.handlers.set('POST /messages/send_message', (body) => {
      sent.push(body)
      return message(4, { sender_id: 1, content: 'hi' })
    })
    messenger.operations.send(2, 'hi')
    await flushMicrotasks()
    expect(sent).toMatchObject([{ receiver_id: 2, content: 'hi', client_id: expect.any(String) as string }])
    expect(messenger.store.getState().outbox).toEqual([])
    expect(texts(messenger)).toContain('hi')
    expect(harness.api.calls.filter((call) => call.startsWith('POST'))).toHaveLength(1)
  })

  it('stops polling when the connection is there, and syncs from where it was complete', async () => {
    const messenger = await blocked()
    openChat(messenger)
    await flushMicrotasks()
    harness.messages.push(message(4))
    harness.chats = [chat({ last_seq: 4, last_mod: 4, read_seq: 3, unread: 1, last_message: message(4) })]
    await harness.clock.advance(40_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(messenger.store.getState().polling).toBe(false)
    // The chats were read before the epoch was known.
    expect(harness.socket.ofType('sync')).toEqual([{ type: 'sync', after: { '2': 3 } }])
    harness.socket.receive({ type: 'resync' })
    await flushMicrotasks()
    expect(harness.socket.ofType('sync').at(-1)).toMatchObject({ epoch: 'first' })
    harness.api.calls = []
    await harness.clock.advance(24_000)
    expect(harness.api.calls.filter((call) => call.startsWith('GET /chats'))).toEqual([])
  })

  /** Starts from the cache without a connection, with a message in the outbox. */
  async function blockedWithCache(): Promise<Messenger> {
    await opened()
    await harness.clock.advance(5_000)
    return blocked()
  }

  it('reads everything again, and sends nothing of the former epoch, if the connection has another one', async () => {
    const messenger = await blockedWithCache()
    expect(texts(messenger)).toEqual(['text 1', 'text 2', 'text 3'])
    harness.api.handlers.delete('POST /messages/send_message')
    messenger.operations.send(2, 'for the former epoch')
    await flushMicrotasks()
    harness.messages = [message(1, { content: 'another' })]
    harness.chats = [chat({ last_seq: 1, last_mod: 1, last_message: harness.messages[0]! })]
    openChat(messenger)
    await harness.clock.advance(2_000)
    harness.socket.epoch = 'second'
    harness.socket.ready()
    await flushMicrotasks()
    expect(summary(messenger)).toMatchObject({ last_seq: 1, last_mod: 1 })
    expect(texts(messenger)).toEqual(['another'])
    expect(harness.socket.ofType('sync')).toEqual([{ type: 'sync', epoch: 'second', after: { '2': 1 } }])
    expect(messenger.store.getState().outbox).toMatchObject([{ refused: 'former_epoch' }])
  })

  it('reads everything again if the changes of a chat went back, and keeps an own message that overtook the list', async () => {
    const messenger = await blockedWithCache()
    openChat(messenger)
    harness.api.handlers.set('POST /messages/send_message', () => message(4, { sender_id: 1, content: 'mine' }))
    harness.api.handlers.set('GET /chats', () => {
      // Its answer comes before that of the list, which was read before.
      messenger.operations.send(2, 'mine')
      harness.api.handlers.set('GET /chats', () => ({ chats: harness.chats, next: null }))
      return new Promise((resolve) => setTimeout(() => resolve({ chats: harness.chats, next: null }), 5))
    })
    await harness.clock.advance(15_000)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(messenger.store.getState().epoch).toBe('first')
    expect(texts(messenger)).toContain('mine')

    harness.messages = [message(1, { content: 'another' })]
    harness.chats = [chat({ last_seq: 1, last_mod: 1, last_message: harness.messages[0]! })]
    await harness.clock.advance(30_000)
    expect(messenger.store.getState().epoch).toBe('')
    expect(summary(messenger)).toMatchObject({ last_seq: 1, last_mod: 1 })
    expect(texts(messenger)).toEqual(['another'])
    harness.socket.ready()
    await flushMicrotasks()
    expect(harness.socket.ofType('sync')).toMatchObject([{ epoch: 'first' }])
  })

  it('says that it has no connection if the server cannot be reached either', async () => {
    const messenger = await blocked()
    harness.api.handlers.clear()
    await harness.clock.advance(60_000)
    expect(messenger.store.getState()).toMatchObject({ polling: false, phase: 'signed_in' })
  })
})

describe('the timeline', () => {
  beforeEach(() => {
    harness.messages = Array.from({ length: 600 }, (_, i) => message(i + 1))
    harness.chats = [chat({ last_seq: 600, last_mod: 600, read_seq: 100, unread: 500, last_message: message(600) })]
  })
  const edges = (messenger: Messenger) =>
    messenger.timeline.get(2)!.segments.map(({ from, to }) => [from, to])

  it('opens in the middle, and loads pages at both edges until the segments meet', async () => {
    const messenger = await harness.start()
    openChat(messenger, 101)
    await flushMicrotasks()
    expect(harness.api.calls).toContain('GET /messages/2?around=101&limit=50')
    expect(edges(messenger)).toEqual([[76, 125]])
    messenger.timeline.show(2, null)
    await flushMicrotasks()
    expect(edges(messenger)).toEqual([[76, 125], [551, Infinity]])
    messenger.timeline.viewed(2, 90, 110)
    await flushMicrotasks()
    expect(edges(messenger)).toEqual([[1, 125], [551, Infinity]])
    for (let last = 125; last < 526; last += 100) {
      messenger.timeline.viewed(2, last - 20, last)
      await flushMicrotasks()
    }
    expect(edges(messenger)).toEqual([[1, Infinity]])
    expect(texts(messenger)).toEqual(harness.messages.map((m) => m.content))
  })

  it('loads nothing while the screen is far from the edges', async () => {
    const messenger = await harness.start()
    openChat(messenger, 590)
    await flushMicrotasks()
    messenger.timeline.viewed(2, 551, 590)
    await flushMicrotasks()
    const count = harness.api.calls.length
    messenger.timeline.viewed(2, 510, 540)
    await flushMicrotasks()
    expect(edges(messenger)).toEqual([[451, Infinity]])
    expect(harness.api.calls).toHaveLength(count)
  })

  it('loads the newest messages with one that is near them', async () => {
    const messenger = await harness.start()
    openChat(messenger, 590)
    await flushMicrotasks()
    expect(edges(messenger)).toEqual([[551, Infinity]])
  })

  it('loads the messages around one that the server cut from the newest page', async () => {
    const messenger = await harness.start()
    const respond = harness.api.handlers.get('GET /messages/2')!
    harness.api.handlers.set('GET /messages/2', (body, path) =>
      path.includes('around') ? respond(body, path) : { messages: [message(600), message(599)], more: true },
    )
    openChat(messenger, 590)
    await flushMicrotasks()
    expect(edges(messenger)).toEqual([[565, Infinity]])
  })

  it('shows where the view went while a page was requested', async () => {
    const messenger = await harness.start()
    openChat(messenger, 101)
    messenger.timeline.show(2, 300)
    await flushMicrotasks()
    expect(edges(messenger)).toEqual([[76, 125], [275, 324]])
  })

  it('keeps a long segment short', async () => {
    harness.messages = Array.from({ length: 1_300 }, (_, i) => message(i + 1))
    const messenger = await harness.start()
    openChat(messenger)
    await flushMicrotasks()
    for (let first = 1_280; first > 200; first -= 50) {
      messenger.timeline.viewed(2, first, first + 20)
      await flushMicrotasks()
    }
    const [segment] = messenger.timeline.get(2)!.segments
    expect(segment!.messages.length).toBeLessThanOrEqual(1_000)
    expect(segment!.to).toBeLessThan(1_300)
  })

  it('loads the place again after the history was dropped', async () => {
    const messenger = await harness.start()
    openChat(messenger, 101)
    await flushMicrotasks()
    harness.chats = [chat({ last_seq: 600, last_mod: 5_000, read_seq: 100, unread: 500, last_message: message(600) })]
    harness.socket.closeFromServer(1006)
    await harness.clock.advance(1_000)
    harness.socket.ready()
    await flushMicrotasks()
    expect(edges(messenger)).toEqual([[76, 125]])
  })

  it('requests the place again if the request failed', async () => {
    const messenger = await harness.start()
    const respond = harness.api.handlers.get('GET /messages/2')!
    harness.api.handlers.set('GET /messages/2', () => {
      throw new ApiError(503, 'unavailable')
    })
    openChat(messenger, 101)
    await flushMicrotasks()
    harness.api.handlers.set('GET /messages/2', respond)
    await harness.clock.advance(2_000)
    expect(edges(messenger)).toEqual([[76, 125]])
  })

  it('drops the messages of chats that were opened long ago, but not their resume points', async () => {
    const messenger = await opened()
    for (let id = 100; id < 120; id++) messenger.open(id)
    expect(messenger.timeline.get(2)).toMatchObject({ segments: [], mod: 600 })
  })

  it('asks the server for the unread count where a deletion leaves it unknown', async () => {
    const messenger = await harness.start()
    harness.chats = [chat({ last_seq: 600, last_mod: 600, read_seq: 100, unread: 400, last_message: message(600) })]
    harness.socket.receive({ type: 'resync' })
    await flushMicrotasks()
    harness.api.handlers.set('GET /chats/2', () => ({ ...harness.chats[0]!, last_mod: 601, unread: 399 }))
    harness.socket.receive({ type: 'deleted', chat_id: 2, message_id: 1200, seq: 200, mod: 601 })
    await flushMicrotasks()
    expect(summary(messenger).unread).toBe(399)
    harness.api.handlers.set('GET /chats/2', () => ({ ...harness.chats[0]!, last_mod: 602, unread: 398 }))
    const gone = message(201, { mod: 602, deleted: true, content: null })
    harness.socket.receive({ type: 'messages', chat_id: 2, messages: [gone], read_seq: 100, more: false })
    await flushMicrotasks()
    expect(summary(messenger).unread).toBe(398)
  })
})

describe('logging out', () => {
  it('erases the state, the outbox and the drafts', async () => {
    const messenger = await opened()
    harness.api.handlers.set('POST /users/logout', () => undefined)
    messenger.operations.send(2, 'hi')
    await flushMicrotasks()
    await messenger.session.logout()
    expect(messenger.store.getState()).toMatchObject({ phase: 'signed_out', expired: false, me: null })
    expect(await harness.outboxes.get(1)!.all()).toEqual([])
    expect(harness.erasedDrafts).toEqual([1])
    expect(harness.broadcasts).toContainEqual({ kind: 'signed_out' })
  })
})
