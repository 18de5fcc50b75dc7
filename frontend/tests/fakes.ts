// Fakes of the clock, the browser and the server, controlled by the tests.

import { Api, ApiError } from '../src/core/api'
import type { CachedChat, CachedSession, CacheStore } from '../src/core/cache'
import type { Clock } from '../src/core/clock'
import type { Environment, TabMessage, Warning } from '../src/core/environment'
import { Messenger } from '../src/core/messenger'
import { MemoryOutboxStore } from '../src/core/outbox_store'
import type { WebSocketLike } from '../src/core/socket'
import { createAppStore } from '../src/core/state'
import type { Chat, ClientFrame, Message, ServerFrame, User } from '../src/core/types'

export class FakeClock implements Clock {
  time = Date.parse('2026-11-22T10:00:00Z')
  randomValue = 0.5
  private timers: { at: number; run: () => void }[] = []

  now = () => this.time
  random = () => this.randomValue

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter((t) => t !== timer)
    }
  }

  /** Advances the time, and runs the timers that expire in the order of their times. */
  async advance(ms: number): Promise<void> {
    await flushMicrotasks()
    const end = this.time + ms
    for (;;) {
      const next = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.timers = this.timers.filter((t) => t !== next)
      this.time = Math.max(this.time, next.at)
      next.run()
      await flushMicrotasks()
    }
    this.time = end
  }
}

/** Runs all pending microtasks. */
export async function flushMicrotasks(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve()
}

export class FakeSocket implements WebSocketLike {
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  sent: ClientFrame[] = []
  closedWith: number | null = null
  epoch = 'first'

  send(text: string): void {
    this.sent.push(JSON.parse(text) as ClientFrame)
  }
  close(code?: number): void {
    this.closedWith = code ?? 1005
  }
  receive(frame: ServerFrame): void {
    this.onmessage?.({ data: JSON.stringify(frame) })
  }
  ready(): void {
    this.receive({ type: 'ready', user_id: 1, session_id: 's', server_time: '', epoch: this.epoch })
  }
  /** The server closes the connection, or it breaks (1006). */
  closeFromServer(code: number): void {
    this.onclose?.({ code })
  }
  ofType<T extends ClientFrame['type']>(type: T): Extract<ClientFrame, { type: T }>[] {
    return this.sent.filter((f) => f.type === type) as Extract<ClientFrame, { type: T }>[]
  }
}

export const ME: User = { user_id: 1, username: 'ada', full_name: 'Ada', profile_picture: null }
export const BO: User = { user_id: 2, username: 'bo', full_name: 'Bo', profile_picture: null }

export function message(seq: number, fields: Partial<Message> = {}): Message {
  return {
    message_id: 1000 + seq,
    chat_id: 2,
    seq,
    mod: seq,
    sender_id: 2,
    kind: 'text',
    content: `text ${seq}`,
    sent_at: new Date(Date.parse('2026-11-22T09:00:00Z') + seq * 1000).toISOString(),
    edited_at: null,
    deleted: false,
    ...fields,
  }
}

export function chat(fields: Partial<Chat> = {}): Chat {
  return {
    chat_id: 2,
    kind: 'direct',
    name: 'Bo',
    last_seq: 0,
    last_mod: 0,
    read_seq: 0,
    unread: 0,
    last_message: null,
    peer: BO,
    peer_read_seq: 0,
    owner_id: null,
    role: null,
    description: null,
    picture: null,
    posting: null,
    adding: null,
    member_count: 2,
    ...fields,
  }
}

/** Answers a request by the handler of its method and path. Without one it fails as without a network. */
export class FakeApi extends Api {
  handlers = new Map<string, (body: unknown, path: string) => unknown>()
  calls: string[] = []

  constructor() {
    super(async (path, init) => {
      const name = `${init?.method} ${path.split('?')[0]}`
      this.calls.push(`${init?.method} ${path}`)
      const handler = this.handlers.get(name)
      if (handler === undefined) throw new TypeError('network')
      const body = typeof init?.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined
      try {
        const response = handler(body, path)
        return response === undefined
          ? new Response(null, { status: 204 })
          : new Response(JSON.stringify(response), { status: 200 })
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        return new Response(JSON.stringify({ code: error.code, errors: error.fields }), {
          status: error.status,
        })
      }
    })
  }
}

export class FakeCache implements CacheStore {
  session: CachedSession | null = null
  chats = new Map<number, CachedChat>()

  load = async () => structuredClone({ session: this.session, chats: [...this.chats.values()] })
  async saveSession(session: CachedSession): Promise<void> {
    this.session = session
  }
  async saveChats(chats: readonly CachedChat[], removed: readonly number[]): Promise<void> {
    for (const chat of chats) this.chats.set(chat.chat_id, chat)
    for (const id of removed) this.chats.delete(id)
  }
  async erase(): Promise<void> {
    this.session = null
    this.chats.clear()
  }
}

/** A page with a fake browser and a fake server, which knows the chat with Bo. */
export class Harness {
  clock = new FakeClock()
  api = new FakeApi()
  sockets: FakeSocket[] = []
  cache = new FakeCache()
  outboxes = new Map<number, MemoryOutboxStore>()
  broadcasts: TabMessage[] = []
  notified: Message[] = []
  warnings: Warning[] = []
  erasedDrafts: number[] = []
  chats: Chat[] = []
  messages: Message[] = []

  constructor() {
    this.api.handlers.set('GET /users/me', () => ME)
    this.api.handlers.set('GET /chats', () => ({ chats: this.chats, next: null }))
    this.api.handlers.set('GET /messages/2', (_, path) => {
      const query = new URLSearchParams(path.split('?')[1])
      const limit = Number(query.get('limit') ?? 50)
      const before = Number(query.get('before') ?? Infinity)
      if (query.has('after')) {
        const later = this.messages.filter((m) => m.seq > Number(query.get('after')))
        return { messages: later.slice(0, limit), more: later.length > limit }
      }
      if (query.has('around')) {
        const at = this.messages.findIndex((m) => m.seq >= Number(query.get('around')))
        const middle = at < 0 ? this.messages.length : at
        const start = Math.max(0, middle - Math.floor(limit / 2))
        const end = middle + limit - Math.floor(limit / 2)
        return {
          messages: this.messages.slice(start, end),
          more_before: start > 0,
          more_after: end < this.messages.length,
        }
      }
      const earlier = this.messages.filter((m) => m.seq < before)
      return { messages: earlier.slice(-limit).reverse(), more: earlier.length > limit }
    })
  }

  environment(): Environment {
    return {
      api: this.api,
      clock: this.clock,
      openSocket: () => {
        const socket = new FakeSocket()
        this.sockets.push(socket)
        return socket
      },
      openOutbox: async (userId) => {
        const store = this.outboxes.get(userId) ?? new MemoryOutboxStore()
        this.outboxes.set(userId, store)
        return store
      },
      cache: this.cache,
      lock: (_, work) => work(),
      idle: async () => {},
      broadcast: (tabMessage) => this.broadcasts.push(tabMessage),
      notify: (m) => this.notified.push(m),
      warn: (warning) => this.warnings.push(warning),
      eraseDrafts: (userId) => this.erasedDrafts.push(userId),
    }
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!
  }

  /** Starts a page, until its first sync is complete. */
  async start(): Promise<Messenger> {
    const messenger = new Messenger(createAppStore(), this.environment())
    await messenger.session.start()
    await flushMicrotasks()
    this.socket.ready()
    await flushMicrotasks()
    this.socket.receive({ type: 'synced' })
    return messenger
  }
}
