// Stand-ins for the browser and the server, held in the tests' hands.

import { Api, ApiError } from '../src/core/api'
import type { Clock } from '../src/core/clock'
import { Messenger, type Surroundings, type TabNote } from '../src/core/messenger'
import { MemoryStore } from '../src/core/outbox_store'
import type { RawSocket } from '../src/core/socket'
import { createAppStore } from '../src/core/state'
import type { Chat, ClientFrame, Message, ServerFrame, User } from '../src/core/types'

export class FakeClock implements Clock {
  time = Date.parse('2026-11-22T10:00:00Z')
  chance = 0.5
  private timers: { at: number; run: () => void }[] = []

  now = () => this.time
  random = () => this.chance

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, run }
    this.timers.push(timer)
    return () => {
      this.timers = this.timers.filter((t) => t !== timer)
    }
  }

  /** Lets time pass; what falls due runs in its order. */
  async pass(ms: number): Promise<void> {
    await settle()
    const end = this.time + ms
    for (;;) {
      const due = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.timers = this.timers.filter((t) => t !== due)
      this.time = Math.max(this.time, due.at)
      due.run()
      await settle()
    }
    this.time = end
  }
}

/** Lets everything that is ready to run do so. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve()
}

export class FakeSocket implements RawSocket {
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  sent: ClientFrame[] = []
  closedWith: number | null = null

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
    this.receive({ type: 'ready', user_id: 1, session_id: 's', server_time: '' })
  }
  /** The server's end closes, or the network breaks (1006). */
  shut(code: number): void {
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
    member_count: 2,
    ...fields,
  }
}

/** Answers requests by hand-written rules; what has no rule fails as the network does. */
export class FakeApi extends Api {
  rules = new Map<string, (body: unknown, path: string) => unknown>()
  calls: string[] = []

  constructor() {
    super(async (path, init) => {
      const name = `${init?.method} ${path.split('?')[0]}`
      this.calls.push(`${init?.method} ${path}`)
      const rule = this.rules.get(name)
      if (rule === undefined) throw new TypeError('network')
      const body = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined
      try {
        const answer = rule(body, path)
        return answer === undefined
          ? new Response(null, { status: 204 })
          : new Response(JSON.stringify(answer), { status: 200 })
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        return new Response(JSON.stringify({ code: error.code, errors: error.fields }), {
          status: error.status,
        })
      }
    })
  }
}

export class World {
  clock = new FakeClock()
  api = new FakeApi()
  sockets: FakeSocket[] = []
  outboxes = new Map<number, MemoryStore>()
  told: TabNote[] = []
  arrived: Message[] = []
  forgotten: number[] = []
  chats: Chat[] = []
  messages: Message[] = []

  constructor() {
    this.api.rules.set('GET /users/me', () => ME)
    this.api.rules.set('GET /chats', () => ({ chats: this.chats }))
    this.api.rules.set('GET /messages/2', (_, path) => {
      const query = new URLSearchParams(path.split('?')[1])
      const limit = Number(query.get('limit') ?? 50)
      const before = Number(query.get('before') ?? Infinity)
      if (query.has('after')) {
        const later = this.messages.filter((m) => m.seq > Number(query.get('after')))
        return { messages: later.slice(0, limit), more: later.length > limit }
      }
      const earlier = this.messages.filter((m) => m.seq < before)
      return { messages: earlier.slice(-limit).reverse(), more: earlier.length > limit }
    })
  }

  around(): Surroundings {
    return {
      api: this.api,
      clock: this.clock,
      openSocket: () => {
        const socket = new FakeSocket()
        this.sockets.push(socket)
        return socket
      },
      openOutbox: async (userId) => {
        const store = this.outboxes.get(userId) ?? new MemoryStore()
        this.outboxes.set(userId, store)
        return store
      },
      lock: (_, work) => work(),
      tell: (note) => this.told.push(note),
      arrived: (m) => this.arrived.push(m),
      forget: (userId) => this.forgotten.push(userId),
    }
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!
  }

  /** A page that has started, with its socket ready and its first sync answered. */
  async page(): Promise<Messenger> {
    const messenger = new Messenger(createAppStore(), this.around())
    await messenger.start()
    await settle()
    this.socket.ready()
    await settle()
    this.socket.receive({ type: 'synced' })
    return messenger
  }
}
