import { beforeEach, describe, expect, it } from 'vitest'
import { ApiError } from '../src/core/api'
import { Messenger } from '../src/core/messenger'
import { createAppStore } from '../src/core/state'
import type { Message } from '../src/core/types'
import { BO, ME, World, chat, message, settle } from './fakes'

let world: World

beforeEach(() => {
  world = new World()
  world.messages = [1, 2, 3].map((seq) => message(seq))
  world.chats = [chat({ last_seq: 3, last_mod: 3, read_seq: 3, last_message: message(3) })]
})

const texts = (messenger: Messenger, id = 2) =>
  messenger.store.getState().histories.get(id)?.messages.map((m) => m.content)
const summary = (messenger: Messenger, id = 2) => messenger.store.getState().chats.get(id)!

async function opened(): Promise<Messenger> {
  const messenger = await world.page()
  messenger.show(2)
  await settle()
  return messenger
}

function ackLast(fields: Partial<Message> & { duplicate?: boolean } = {}): void {
  const send = world.socket.ofType('send').at(-1)!
  world.socket.receive({
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
  it('asks to sign in where the cookie does not hold', async () => {
    world.api.rules.set('GET /users/me', () => {
      throw new ApiError(401, 'unauthorized')
    })
    const messenger = new Messenger(createAppStore(), world.around())
    await messenger.start()
    expect(messenger.store.getState().phase).toBe('signed_out')
    expect(world.sockets).toHaveLength(0)
  })

  it('keeps trying where the server does not answer', async () => {
    world.api.rules.delete('GET /users/me')
    const messenger = new Messenger(createAppStore(), world.around())
    await messenger.start()
    expect(messenger.store.getState().phase).toBe('unreachable')
    world.api.rules.set('GET /users/me', () => ME)
    await world.clock.pass(1_000)
    expect(messenger.store.getState().phase).toBe('signed_in')
  })

  it('resumes every listed chat by its mod and watches its peer', async () => {
    await world.page()
    expect(world.socket.ofType('sync')).toEqual([{ type: 'sync', after: { '2': 3 } }])
    expect(world.socket.ofType('presence')).toEqual([{ type: 'presence', watch: [2] }])
  })

  it('loads the newest page of the chat on the screen, oldest first', async () => {
    expect(texts(await opened())).toEqual(['text 1', 'text 2', 'text 3'])
  })
})

describe('receiving', () => {
  it('shows a push, counts it and moves the chat', async () => {
    const messenger = await opened()
    world.socket.receive({ type: 'message', ...message(4) })
    expect(texts(messenger)).toContain('text 4')
    expect(summary(messenger)).toMatchObject({ unread: 1, last_seq: 4, read_seq: 3 })
    expect(world.arrived).toHaveLength(1)
  })

  it('counts a repeated push once', async () => {
    const messenger = await opened()
    world.socket.receive({ type: 'message', ...message(4) })
    world.socket.receive({ type: 'message', ...message(4) })
    expect(summary(messenger).unread).toBe(1)
  })

  it('does not count joins, nor our own from another device, which also means we have read', async () => {
    const messenger = await opened()
    world.socket.receive({ type: 'message', ...message(4, { kind: 'join', user_id: 9 }) })
    expect(summary(messenger).unread).toBe(0)
    world.socket.receive({ type: 'message', ...message(5) })
    world.socket.receive({ type: 'message', ...message(6, { sender_id: 1 }) })
    expect(summary(messenger)).toMatchObject({ unread: 0, read_seq: 6 })
  })

  it('takes a message of the peer as read up to there by the peer', async () => {
    const messenger = await opened()
    world.socket.receive({ type: 'message', ...message(4) })
    expect(summary(messenger).peer_read_seq).toBe(4)
  })

  it('takes an edit of a message it has never seen', async () => {
    const messenger = await opened()
    const edited = message(4, { mod: 5, content: 'as edited', edited_at: message(4).sent_at })
    world.socket.receive({ type: 'edited', ...edited })
    expect(texts(messenger)).toContain('as edited')
    expect(summary(messenger).unread).toBe(1)
  })

  it('shows a deletion in the history and in the list', async () => {
    const messenger = await opened()
    world.socket.receive({ type: 'deleted', chat_id: 2, message_id: 1003, seq: 3, mod: 4 })
    expect(texts(messenger)).toEqual(['text 1', 'text 2', null])
    expect(summary(messenger).last_message?.deleted).toBe(true)
  })

  it('follows what another device has read, and never back', async () => {
    const messenger = await opened()
    for (const seq of [4, 5, 6]) world.socket.receive({ type: 'message', ...message(seq) })
    world.socket.receive({ type: 'read', chat_id: 2, user_id: 1, seq: 5 })
    expect(summary(messenger)).toMatchObject({ read_seq: 5, unread: 1 })
    world.socket.receive({ type: 'read', chat_id: 2, user_id: 1, seq: 4 })
    expect(summary(messenger).read_seq).toBe(5)
  })

  it('ends typing after a while, or at a message', async () => {
    const messenger = await opened()
    const typing = () => messenger.store.getState().typing.get(2)?.has(2) ?? false
    world.socket.receive({ type: 'typing', chat_id: 2, user_id: 2, is_typing: true })
    await world.clock.pass(4_000)
    world.socket.receive({ type: 'typing', chat_id: 2, user_id: 2, is_typing: true })
    await world.clock.pass(4_000)
    expect(typing()).toBe(true)
    await world.clock.pass(3_000)
    expect(typing()).toBe(false)
    world.socket.receive({ type: 'typing', chat_id: 2, user_id: 2, is_typing: true })
    world.socket.receive({ type: 'message', ...message(4) })
    expect(typing()).toBe(false)
  })

  it('puts a chat that is new into the list, and takes it out again', async () => {
    const messenger = await opened()
    const group = chat({ chat_id: 9, kind: 'group', name: 'G', peer: null, last_seq: 1, last_mod: 1 })
    world.socket.receive({ type: 'chat', ...group })
    expect(summary(messenger, 9).name).toBe('G')
    world.socket.receive({ type: 'chat_removed', chat_id: 9 })
    expect(messenger.store.getState().chats.has(9)).toBe(false)
  })
})

describe('coming back', () => {
  it('asks for what changed since the last mod without a hole, whatever the list says', async () => {
    const messenger = await opened()
    world.socket.receive({ type: 'message', ...message(4) })
    world.chats = [chat({ last_seq: 9, last_mod: 12, read_seq: 3, unread: 6, last_message: message(9) })]
    world.socket.shut(1006)
    expect(messenger.store.getState().lostAt).not.toBeNull()
    await world.clock.pass(1_000)
    world.socket.ready()
    await settle()
    expect(world.socket.ofType('sync')).toEqual([{ type: 'sync', after: { '2': 4 } }])
    const changed = [5, 6, 7, 8, 9].map((seq) => message(seq))
    changed.push(message(2, { mod: 12, content: 'edited' }))
    world.socket.receive({ type: 'messages', chat_id: 2, messages: changed, read_seq: 3, more: false })
    world.socket.receive({ type: 'synced' })
    expect(texts(messenger)).toHaveLength(9)
    expect(texts(messenger)![1]).toBe('edited')
    expect(summary(messenger).unread).toBe(6)
    expect(messenger.store.getState()).toMatchObject({ catchingUp: false, lostAt: null })
  })

  it('does not sync what was never opened', async () => {
    await world.page()
    world.chats = [chat({ last_seq: 9, last_mod: 12 })]
    world.socket.shut(1001)
    await world.clock.pass(1_000)
    world.socket.ready()
    await settle()
    expect(world.socket.ofType('sync')).toEqual([{ type: 'sync', after: { '2': 12 } }])
  })

  it('reads the newest page instead of syncing thousands of changes', async () => {
    const messenger = await opened()
    world.messages = Array.from({ length: 3000 }, (_, i) => message(i + 1))
    world.chats = [chat({ last_seq: 3000, last_mod: 3000, last_message: message(3000), unread: 2997, read_seq: 3 })]
    world.socket.shut(1006)
    await world.clock.pass(1_000)
    world.socket.ready()
    await settle()
    expect(world.socket.ofType('sync')).toEqual([{ type: 'sync', after: { '2': 3000 } }])
    expect(texts(messenger)).toHaveLength(200)
    expect(texts(messenger)!.at(-1)).toBe('text 3000')
  })

  it('drops a chat that is gone from the list', async () => {
    const messenger = await opened()
    world.chats = []
    world.socket.receive({ type: 'resync' })
    await settle()
    expect(messenger.store.getState().chats.size).toBe(0)
    expect(world.socket.ofType('sync').at(-1)).toEqual({ type: 'sync', after: {} })
  })

  it('syncs again when the server says resync', async () => {
    await opened()
    world.socket.receive({ type: 'resync' })
    await settle()
    expect(world.socket.ofType('sync')).toHaveLength(2)
  })

  it('asks again when the list cannot be read', async () => {
    await opened()
    world.api.rules.set('GET /chats', () => {
      throw new ApiError(503, 'unavailable')
    })
    world.socket.receive({ type: 'resync' })
    await settle()
    expect(world.socket.ofType('sync')).toHaveLength(1)
    world.api.rules.set('GET /chats', () => ({ chats: world.chats }))
    await world.clock.pass(5_000)
    expect(world.socket.ofType('sync')).toHaveLength(2)
  })

  it('asks again when the sync fails for now', async () => {
    await opened()
    world.socket.receive({ type: 'error', code: 'unavailable', retry_after_ms: 500 })
    await world.clock.pass(500)
    expect(world.socket.ofType('sync')).toHaveLength(2)
    world.socket.receive({ type: 'error', code: 'invalid' })
    await world.clock.pass(10_000)
    expect(world.socket.ofType('sync')).toHaveLength(2)
  })

  it('closes a hole that stays open', async () => {
    await opened()
    world.socket.receive({ type: 'message', ...message(6) })
    await world.clock.pass(1_900)
    expect(world.socket.ofType('sync')).toHaveLength(1)
    await world.clock.pass(100)
    expect(world.socket.ofType('sync').at(-1)).toEqual({ type: 'sync', after: { '2': 3 } })
    expect(world.api.calls.at(-1)).toContain('after=3')
  })

  it('does not ask where the hole closes by itself', async () => {
    await opened()
    world.socket.receive({ type: 'message', ...message(5) })
    world.socket.receive({ type: 'message', ...message(4) })
    await world.clock.pass(5_000)
    expect(world.socket.ofType('sync')).toHaveLength(1)
  })

  it('goes to the sign-in page after 4501, and keeps what is not sent', async () => {
    const messenger = await opened()
    messenger.send(2, 'later')
    await settle()
    world.socket.shut(4501)
    expect(messenger.store.getState()).toMatchObject({ phase: 'signed_out', expired: true })
    expect(await world.outboxes.get(1)!.all()).toHaveLength(1)
  })

  it('goes there too when the upgrade is refused because the token has ended', async () => {
    const messenger = await opened()
    world.api.rules.set('GET /users/me', () => {
      throw new ApiError(401, 'unauthorized')
    })
    world.socket.shut(1006)
    await world.clock.pass(1_000)
    world.socket.shut(1006)
    await settle()
    expect(messenger.store.getState().phase).toBe('signed_out')
  })
})

describe('sending', () => {
  it('shows it at once, then as sent, in the same place and once', async () => {
    const messenger = await opened()
    messenger.send(2, 'hi')
    expect(messenger.store.getState().outbox).toMatchObject([{ content: 'hi' }])
    await settle()
    const [send] = world.socket.ofType('send')
    expect(send).toMatchObject({ receiver_id: 2, content: 'hi' })
    ackLast()
    await settle()
    expect(messenger.store.getState().outbox).toEqual([])
    const last = messenger.store.getState().histories.get(2)!.messages.at(-1)
    expect(last).toMatchObject({ seq: 4, content: 'hi', client_id: send!.id, sender_id: 1 })
    expect(summary(messenger)).toMatchObject({ last_seq: 4, read_seq: 4 })
    expect(messenger.store.getState().histories.get(2)!.mod).toBe(4)
  })

  it('sends what was written offline in order when back, with the same names', async () => {
    const messenger = await opened()
    world.socket.shut(1006)
    messenger.send(2, 'a')
    messenger.send(2, 'b')
    await settle()
    const names = messenger.store.getState().outbox.map((e) => e.client_id)
    await world.clock.pass(1_000)
    world.socket.ready()
    await settle()
    expect(world.socket.ofType('send').map((f) => f.content)).toEqual(['a'])
    ackLast()
    await settle()
    ackLast({ seq: 5, mod: 5, message_id: 1005 })
    await settle()
    expect(world.socket.ofType('send').map((f) => f.id)).toEqual(names)
    expect(texts(messenger)!.slice(-2)).toEqual(['a', 'b'])
  })

  it('sends again under the same name when the ack was lost, and takes the repeat for sent', async () => {
    const messenger = await opened()
    messenger.send(2, 'hi')
    await settle()
    const id = world.socket.ofType('send')[0]!.id
    world.socket.shut(1006)
    world.messages.push(message(4, { sender_id: 1, content: 'hi', client_id: id }))
    await world.clock.pass(1_000)
    world.socket.ready()
    await settle()
    expect(world.socket.ofType('send')[0]!.id).toBe(id)
    ackLast({ duplicate: true })
    await settle()
    expect(messenger.store.getState().outbox).toEqual([])
    expect(texts(messenger)).toEqual(['text 1', 'text 2', 'text 3', 'hi'])
  })

  it('takes a push with its own client_id as the ack of another tab', async () => {
    const messenger = await opened()
    messenger.send(2, 'hi')
    await settle()
    const id = world.socket.ofType('send')[0]!.id
    world.socket.receive({ type: 'message', ...message(4, { sender_id: 1, client_id: id }) })
    await settle()
    expect(messenger.store.getState().outbox).toEqual([])
  })

  it('leaves a connection that does not acknowledge', async () => {
    const messenger = await opened()
    messenger.send(2, 'hi')
    await settle()
    await world.clock.pass(15_000)
    expect(world.socket.closedWith).not.toBeNull()
    await world.clock.pass(1_000)
    world.socket.ready()
    await settle()
    expect(world.socket.ofType('send')).toHaveLength(1)
  })

  it('waits while the database is away, and gives up only what is refused for good', async () => {
    const messenger = await opened()
    messenger.send(2, 'hi')
    await settle()
    const error = { type: 'error', id: world.socket.ofType('send')[0]!.id } as const
    world.socket.receive({ ...error, code: 'unavailable', retry_after_ms: 1_000 })
    await world.clock.pass(1_000)
    expect(world.socket.ofType('send')).toHaveLength(2)
    world.socket.receive({ ...error, code: 'not_found' })
    await settle()
    expect(messenger.store.getState().outbox).toMatchObject([{ refused: 'not_found' }])
  })

  it('says what was read while offline once it is back', async () => {
    const messenger = await opened()
    world.socket.receive({ type: 'message', ...message(4) })
    world.socket.shut(1006)
    messenger.read(2, 4)
    expect(summary(messenger).unread).toBe(0)
    world.chats = [chat({ last_seq: 4, last_mod: 4, read_seq: 3, unread: 1, last_message: message(4) })]
    await world.clock.pass(1_000)
    world.socket.ready()
    await settle()
    expect(world.socket.ofType('read')).toEqual([{ type: 'read', chat_id: 2, seq: 4 }])
  })

  it('opens a conversation that has not begun', async () => {
    world.chats = []
    world.messages = []
    const messenger = await opened()
    messenger.know(BO)
    messenger.send(2, 'first')
    await settle()
    world.chats = [
      chat({ last_seq: 1, last_mod: 1, read_seq: 1, last_message: message(1, { sender_id: 1 }) }),
    ]
    ackLast({ seq: 1, mod: 1, message_id: 1001 })
    await settle()
    expect(texts(messenger)).toEqual(['first'])
    expect(summary(messenger).last_seq).toBe(1)
    world.socket.receive({ type: 'message', ...message(2) })
    expect(texts(messenger)).toEqual(['first', 'text 2'])
  })
})

describe('signing out', () => {
  it('leaves nothing behind', async () => {
    const messenger = await opened()
    world.api.rules.set('POST /users/logout', () => undefined)
    messenger.send(2, 'hi')
    await settle()
    await messenger.logout()
    expect(messenger.store.getState()).toMatchObject({ phase: 'signed_out', expired: false, me: null })
    expect(await world.outboxes.get(1)!.all()).toEqual([])
    expect(world.forgotten).toEqual([1])
    expect(world.told).toContainEqual({ kind: 'signed_out' })
  })
})
