// The conversation with the server: what each frame does to the state, what each act of the user
// sends. Knows nothing of React or the DOM; all that surrounds it is handed in.

import { Api, ApiError } from './api'
import { backoffMs } from './backoff'
import { withDeleted, withMessage, withRead, withSummary } from './chats'
import type { Clock } from './clock'
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
  indexOfSeq,
  type History,
} from './history'
import { Outbox, type Outgoing, type OutboxStore, type Sent } from './outbox'
import { Socket, type RawSocket, type SocketState } from './socket'
import { isGone, nothing, withEntry, withoutEntry, type AppState, type AppStore, type Person } from './state'
import type { Ack, Chat, Message, ServerFrame, User } from './types'

/** What the messenger needs of the browser. */
export interface Surroundings {
  api: Api
  clock: Clock
  openSocket(): RawSocket
  openOutbox(userId: number): Promise<OutboxStore>
  lock(name: string, work: () => Promise<void>): Promise<void>
  /** To the other tabs. */
  tell(note: TabNote): void
  /** A message of somebody else arrived live. */
  arrived(message: Message): void
  /** The user's local data must go: signed out. */
  forget(userId: number): void
}

export type TabNote = { kind: 'outbox'; userId: number } | { kind: 'signed_out' } | { kind: 'signed_in' }

const PAGE = 50
const PAGE_MAX = 200
/** A sync that would bring more changes than this is answered by reading the newest page instead. */
const FAR_BEHIND = 1_000
/** How long a hole may stay open before we ask; an ack that overtook a push closes it by itself. */
const HOLE_MS = 2_000
const ACK_TIMEOUT_MS = 15_000
/** The server shows typing for 6 s. */
const TYPING_MS = 6_500
const WATCH_MAX = 500
/** A frame may have 64 KiB; a chat that is not named is answered with its last messages. */
const SYNC_MAX_BYTES = 60_000

export class Messenger {
  readonly store: AppStore
  private readonly socket: Socket
  private outbox: Outbox | null = null
  private readonly acks = new Map<string, (sent: Sent) => void>()
  private readonly holeTimers = new Map<number, () => void>()
  private readonly born = new Set<number>()
  private readonly asked = new Set<number>()
  private open: number | null = null
  private watched = ''
  private round = 0
  private failures = 0
  private holeDelay = HOLE_MS
  private stopRetry: () => void = () => {}
  private lastNotice = 0

  constructor(
    store: AppStore,
    private readonly around: Surroundings,
  ) {
    this.store = store
    this.socket = new Socket(
      around.openSocket,
      {
        state: (state) => this.socketState(state),
        frame: (frame) => this.frame(frame),
        refused: () => void this.whoAmI(),
      },
      around.clock,
    )
  }

  private get state(): AppState {
    return this.store.getState()
  }

  private set(change: Partial<AppState>): void {
    this.store.setState(change)
  }

  private get myId(): number {
    return this.state.me?.user_id ?? 0
  }

  // ---- Signing in and out -------------------------------------------------------------------

  /** At the start of the page: does the cookie still hold? */
  async start(): Promise<void> {
    this.stopRetry()
    try {
      await this.enter(await this.around.api.me())
      this.failures = 0
    } catch (error) {
      if (error instanceof ApiError && error.transient) {
        this.set({ phase: 'unreachable' })
        const delay = error.retryAfterMs ?? backoffMs(this.failures++, this.around.clock)
        this.stopRetry = this.around.clock.after(delay, () => void this.start())
      } else {
        this.set({ phase: 'signed_out' })
      }
    }
  }

  async login(username: string, password: string): Promise<void> {
    const { user } = await this.around.api.login(username, password)
    await this.enter(user)
    this.around.tell({ kind: 'signed_in' })
  }

  async register(body: Parameters<Api['register']>[0]): Promise<void> {
    await this.around.api.register(body)
    await this.login(body.username, body.password)
  }

  private async enter(me: User): Promise<void> {
    const store = await this.around.openOutbox(me.user_id)
    this.set({ ...nothing, phase: 'signed_in', me, people: new Map([[me.user_id, me]]) })
    this.outbox = new Outbox(
      store,
      {
        send: (entry) => this.sendEntry(entry),
        acked: (entry, ack) => this.acked(entry, ack),
        changed: (outbox) => this.set({ outbox }),
        announce: () => this.around.tell({ kind: 'outbox', userId: me.user_id }),
        lock: (work) => this.around.lock(`parley-outbox-${me.user_id}`, work),
      },
      this.around.clock,
    )
    await this.outbox.load()
    this.socket.start()
  }

  /** Forgets who is here; `expired` where the server ended it. */
  private leave(expired: boolean): void {
    this.stopRetry()
    this.socket.stop()
    this.settleAcks()
    for (const stop of this.holeTimers.values()) stop()
    this.holeTimers.clear()
    this.born.clear()
    this.asked.clear()
    this.outbox = null
    this.open = null
    this.watched = ''
    this.round++
    this.set({ ...nothing, phase: 'signed_out', expired })
  }

  async logout(): Promise<void> {
    const userId = this.myId
    try {
      await this.around.api.logout()
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error
    }
    await this.outbox?.clear()
    this.leave(false)
    this.around.forget(userId)
    this.around.tell({ kind: 'signed_out' })
  }

  async deleteAccount(): Promise<void> {
    const userId = this.myId
    await this.around.api.deleteUser(userId)
    await this.outbox?.clear()
    this.leave(false)
    this.around.forget(userId)
    this.around.tell({ kind: 'signed_out' })
  }

  async updateMe(change: Parameters<Api['updateMe']>[0]): Promise<void> {
    const me = await this.around.api.updateMe(change)
    this.set({ me, people: withEntry(this.state.people, me.user_id, me) })
  }

  /** The upgrade failed and the browser does not say why: a 401 would never heal by waiting. */
  private async whoAmI(): Promise<void> {
    try {
      await this.around.api.me()
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.leave(true)
    }
  }

  // ---- The connection -----------------------------------------------------------------------

  /** The network came back, or the page is looked at again. */
  hurry(): void {
    if (this.state.phase === 'unreachable') void this.start()
    else this.socket.hurry()
  }

  private socketState(socket: SocketState): void {
    if (socket === 'ended') {
      this.leave(true)
      return
    }
    this.set({
      socket,
      lostAt: socket === 'ready' ? null : (this.state.lostAt ?? this.around.clock.now()),
    })
    if (socket === 'ready') {
      this.watched = ''
      void this.outbox?.flush()
      void this.catchUp()
    } else {
      this.settleAcks()
      this.round++
      if (socket === 'waiting') this.set({ catchingUp: false, presence: new Map() })
    }
  }

  private settleAcks(): void {
    const waiting = [...this.acks.values()]
    this.acks.clear()
    for (const settle of waiting) settle({ kind: 'later', retryMs: null })
  }

  /**
   * After a connection was made, or the server says it may have missed something: read the list,
   * then ask for what changed in it. Events are pushed since `ready`, so nothing falls between.
   */
  private async catchUp(): Promise<void> {
    const round = ++this.round
    this.set({ catchingUp: true })
    this.born.clear()
    let chats: Chat[]
    try {
      chats = (await this.around.api.chats()).chats
    } catch (error) {
      if (round !== this.round) return
      if (error instanceof ApiError && error.status === 401) return this.leave(true)
      const retry = error instanceof ApiError ? error.retryAfterMs : null
      this.catchUpIn(retry ?? backoffMs(this.failures++, this.around.clock))
      return
    }
    if (round !== this.round) return
    this.failures = 0
    this.adopt(chats)
    this.socket.send({ type: 'sync', after: this.resumePoints() })
    this.watch()
    if (this.open !== null) {
      void this.load(this.open)
      if (this.state.chats.get(this.open)?.kind === 'group') void this.loadGroup(this.open)
    }
  }

  /** A sync, a `read` or a `presence` failed for now: all of them are part of catching up. */
  private catchUpIn(ms: number): void {
    const round = this.round
    this.stopRetry()
    this.stopRetry = this.around.clock.after(ms, () => {
      if (round !== this.round) return
      this.watched = ''
      void this.catchUp()
    })
  }

  /** Takes over a freshly read chat list. */
  private adopt(list: readonly Chat[]): void {
    const chats = new Map<number, Chat>()
    const histories = new Map<number, History>()
    const people = new Map(this.state.people)
    for (const fresh of list) {
      const id = fresh.chat_id
      const history = this.state.histories.get(id)
      const chat = withSummary(this.state.chats.get(id), fresh)
      chats.set(id, chat)
      // Read here while there was nobody to tell.
      if (chat.read_seq > fresh.read_seq && chat.read_seq <= fresh.last_seq)
        this.socket.send({ type: 'read', chat_id: id, seq: chat.read_seq })
      if (fresh.peer !== null) people.set(fresh.peer.user_id, fresh.peer)
      const behind = fresh.last_mod - (history?.mod ?? 0)
      if (history === undefined) histories.set(id, emptyHistory(fresh.last_mod))
      else if (history.loaded && history.mod !== null && behind <= FAR_BEHIND)
        histories.set(id, history)
      else if (history.strays !== null)
        // The newest page is on its way and will be at least as new as this list.
        histories.set(id, { ...history, mod: Math.max(history.mod ?? 0, fresh.last_mod) })
      else histories.set(id, emptyHistory(Math.max(history.mod ?? 0, fresh.last_mod)))
    }
    for (const id of this.born) {
      const chat = this.state.chats.get(id)
      const history = this.state.histories.get(id)
      if (chat !== undefined && !chats.has(id)) chats.set(id, chat)
      if (history !== undefined && !histories.has(id)) histories.set(id, history)
    }
    // A conversation that has not begun yet is in no list.
    const open = this.open
    if (open !== null && !this.state.chats.has(open) && !histories.has(open)) {
      const history = this.state.histories.get(open)
      if (history !== undefined) histories.set(open, history)
    }
    this.set({ chats, histories, people, listed: true })
  }

  private resumePoints(): Record<string, number> {
    const after: Record<string, number> = {}
    let bytes = 0
    for (const [id, { mod }] of this.state.histories) {
      if (mod === null || !this.state.chats.has(id)) continue
      bytes += String(id).length + String(mod).length + 4
      if (bytes > SYNC_MAX_BYTES) break
      after[id] = mod
    }
    return after
  }

  /** Whose presence matters: the people of our direct chats, and of the group on the screen. */
  private watch(): void {
    const ids = new Set<number>()
    const group = this.open === null ? undefined : this.state.groups.get(this.open)
    for (const member of group?.members ?? []) ids.add(member.user_id)
    for (const chat of this.state.chats.values()) if (chat.peer !== null) ids.add(chat.peer.user_id)
    ids.delete(this.myId)
    const watch = [...ids].slice(0, WATCH_MAX).sort((a, b) => a - b)
    const key = watch.join()
    if (key === this.watched) return
    if (this.socket.send({ type: 'presence', watch })) this.watched = key
  }

  // ---- Frames -------------------------------------------------------------------------------

  private frame(frame: ServerFrame): void {
    switch (frame.type) {
      case 'message': {
        const { type: _, ...message } = frame
        this.pushed(message)
        if (message.sender_id !== this.myId) this.around.arrived(message)
        return
      }
      case 'edited': {
        const { type: _, ...message } = frame
        this.pushed(message)
        return
      }
      case 'deleted': {
        const chat = this.state.chats.get(frame.chat_id)
        if (chat !== undefined)
          this.set({ chats: withEntry(this.state.chats, frame.chat_id, withDeleted(chat, frame)) })
        this.changeHistory(frame.chat_id, (history) => applyDeleted(history, frame))
        return
      }
      case 'ack':
        this.acks.get(frame.id)?.({ kind: 'acked', ack: frame })
        return
      case 'error':
        if (frame.id !== undefined)
          this.acks.get(frame.id)?.(verdict(frame.code, frame.retry_after_ms))
        else if (isTransient(frame.code)) this.catchUpIn(frame.retry_after_ms ?? 2_000)
        return
      case 'typing':
        this.typed(frame.chat_id, frame.user_id, frame.is_typing)
        return
      case 'read':
        this.readBy(frame.chat_id, frame.user_id, frame.seq)
        return
      case 'presence':
        this.set({ presence: withEntry(this.state.presence, frame.user_id, frame) })
        return
      case 'chat': {
        const { type: _, ...chat } = frame
        this.chatChanged(chat)
        return
      }
      case 'chat_removed':
        this.removeChat(frame.chat_id)
        return
      case 'messages':
        this.synced(frame.chat_id, frame.messages, frame.read_seq)
        return
      case 'synced':
        this.set({ catchingUp: false })
        for (const [id, history] of this.state.histories) if (hasHole(history)) this.watchHole(id)
        return
      case 'resync':
        void this.catchUp()
        return
    }
  }

  private pushed(message: Message): void {
    const id = message.chat_id
    const chat = this.state.chats.get(id)
    if (chat !== undefined)
      this.set({ chats: withEntry(this.state.chats, id, withMessage(chat, message, this.myId)) })
    else if (this.state.listed && !this.state.catchingUp) void this.catchUp()
    this.changeHistory(id, (history) => applyPush(history, message))
    this.seen([message])
    this.wrote(message)
    this.meet([message])
  }

  /** What a message says beside its content: its sender types no more and has read up to it. */
  private wrote(message: Message): void {
    const { chat_id, sender_id, seq } = message
    if (sender_id !== null) {
      this.typed(chat_id, sender_id, false)
      this.groupRead(chat_id, sender_id, seq)
    }
    if (message.kind !== 'text' && this.state.groups.has(chat_id)) void this.loadGroup(chat_id)
  }

  private synced(id: number, messages: readonly Message[], readSeq: number): void {
    let chat = this.state.chats.get(id)
    if (chat !== undefined) {
      for (const message of messages) chat = withMessage(chat, message, this.myId)
      const known = this.state.histories.get(id)?.messages ?? []
      chat = withRead(chat, this.myId, readSeq, this.myId, known)
      this.set({ chats: withEntry(this.state.chats, id, chat) })
    }
    this.changeHistory(id, (history) => applySync(history, messages))
    this.seen(messages)
    this.meet(messages)
  }

  /** Ours among these need not be sent any more. */
  private seen(messages: readonly Message[]): void {
    for (const { client_id } of messages)
      if (client_id !== undefined) void this.outbox?.seen(client_id)
  }

  private changeHistory(id: number, change: (history: History) => History): void {
    const history = change(this.state.histories.get(id) ?? emptyHistory(null))
    this.set({ histories: withEntry(this.state.histories, id, history) })
    if (hasHole(history) && !this.state.catchingUp) this.watchHole(id)
    else if (!hasHole(history)) this.stopHole(id)
  }

  private stopHole(id: number): void {
    this.holeTimers.get(id)?.()
    this.holeTimers.delete(id)
  }

  /** A hole that does not close by itself soon is closed by a sync, and if that fails by a page. */
  private watchHole(id: number): void {
    if (this.holeTimers.has(id)) return
    const stop = this.around.clock.after(this.holeDelay, () => {
      this.holeTimers.delete(id)
      const history = this.state.histories.get(id)
      if (history === undefined || !hasHole(history)) {
        this.holeDelay = HOLE_MS
        return
      }
      this.holeDelay = Math.min(this.holeDelay * 2, 60_000)
      const after = this.resumePoints()
      if (Object.keys(after).length > 0) this.socket.send({ type: 'sync', after })
      void this.fillGap(id, history)
    })
    this.holeTimers.set(id, stop)
  }

  private async fillGap(id: number, history: History): Promise<void> {
    const gap = history.messages.findIndex((message, i, all) => {
      const next = all[i + 1]
      return next !== undefined && next.seq !== message.seq + 1
    })
    const before = history.messages[gap]
    if (before === undefined) return
    try {
      const { messages } = await this.around.api.messages(id, { after: before.seq, limit: PAGE_MAX })
      const now = this.state.histories.get(id)
      if (now !== undefined && now.loaded)
        this.changeHistory(id, (h) => applyPage(h, messages, h.more))
    } catch {
      // Asked again when the next hole is seen.
    }
  }

  private typed(chatId: number, userId: number, isTyping: boolean): void {
    const here = this.state.typing.get(chatId)
    if (!isTyping && !here?.has(userId)) return
    const users = new Map(here)
    if (isTyping) {
      const until = this.around.clock.now() + TYPING_MS
      users.set(userId, until)
      this.around.clock.after(TYPING_MS, () => {
        if ((this.state.typing.get(chatId)?.get(userId) ?? Infinity) <= until)
          this.typed(chatId, userId, false)
      })
    } else {
      users.delete(userId)
    }
    this.set({
      typing:
        users.size > 0
          ? withEntry(this.state.typing, chatId, users)
          : withoutEntry(this.state.typing, chatId),
    })
  }

  private readBy(chatId: number, userId: number, seq: number): void {
    const chat = this.state.chats.get(chatId)
    if (chat !== undefined) {
      const messages = this.state.histories.get(chatId)?.messages ?? []
      const next = withRead(chat, userId, seq, this.myId, messages)
      if (next !== chat) this.set({ chats: withEntry(this.state.chats, chatId, next) })
    }
    this.groupRead(chatId, userId, seq)
  }

  private groupRead(groupId: number, userId: number, seq: number): void {
    const group = this.state.groups.get(groupId)
    const member = group?.members.find((m) => m.user_id === userId)
    if (group === undefined || member === undefined || member.read_seq >= seq) return
    const members = group.members.map((m) => (m === member ? { ...m, read_seq: seq } : m))
    this.set({ groups: withEntry(this.state.groups, groupId, { ...group, members }) })
  }

  private chatChanged(fresh: Chat): void {
    const id = fresh.chat_id
    const known = this.state.chats.get(id)
    if (known === undefined) this.born.add(id)
    // Its last_mod may be ahead of what was pushed, so it says nothing of where to resume.
    this.set({ chats: withEntry(this.state.chats, id, withSummary(known, fresh)) })
    if (fresh.peer !== null)
      this.set({ people: withEntry(this.state.people, fresh.peer.user_id, fresh.peer) })
    const group = this.state.groups.get(id)
    if (group !== undefined)
      this.set({
        groups: withEntry(this.state.groups, id, {
          ...group,
          name: fresh.name,
          owner_id: fresh.owner_id,
        }),
      })
    this.watch()
  }

  private removeChat(id: number): void {
    this.stopHole(id)
    this.set({
      chats: withoutEntry(this.state.chats, id),
      histories: withoutEntry(this.state.histories, id),
      groups: withoutEntry(this.state.groups, id),
      typing: withoutEntry(this.state.typing, id),
    })
  }

  // ---- Reading ------------------------------------------------------------------------------

  /** This chat is on the screen now; null: none is. */
  show(id: number | null): void {
    this.open = id
    if (id === null) return
    void this.load(id)
    if (this.state.chats.get(id)?.kind === 'group') void this.loadGroup(id)
    else this.watch()
  }

  /** The newest page, unless it is there already. */
  private async load(id: number): Promise<void> {
    const history = this.state.histories.get(id)
    if (history?.loaded || history?.strays) return
    const chat = this.state.chats.get(id)
    const unread = chat === undefined ? 0 : chat.last_seq - chat.read_seq
    await this.page(id, { limit: Math.min(PAGE_MAX, Math.max(PAGE, unread + 20)) })
  }

  async loadOlder(id: number): Promise<void> {
    const history = this.state.histories.get(id)
    const first = history?.messages[0]
    if (!history?.loaded || !history.more || history.strays !== null || first === undefined) return
    await this.page(id, { before: first.seq, limit: 100 })
  }

  private async page(id: number, query: { before?: number; limit: number }): Promise<void> {
    const me = this.myId
    this.changeHistory(id, beginPage)
    try {
      const { messages, more } = await this.around.api.messages(id, query)
      if (me !== this.myId || this.state.histories.get(id)?.strays == null) return
      const sorted = [...messages].sort((a, b) => a.seq - b.seq)
      this.changeHistory(id, (history) => applyPage(history, sorted, more))
      this.seen(sorted)
      this.meet(sorted)
    } catch (error) {
      if (me !== this.myId || !this.state.histories.has(id)) return
      this.changeHistory(id, failPage)
      if (error instanceof ApiError && error.status === 401) this.leave(true)
      // Without a chat there is nothing to load; without a server the next `ready` loads again.
      else if (error instanceof ApiError && error.status === 404) this.removeHistory(id)
      else if (this.state.socket === 'ready')
        this.around.clock.after(2_000, () => {
          if (this.open === id && query.before === undefined) void this.load(id)
        })
    }
  }

  private removeHistory(id: number): void {
    this.set({ histories: withoutEntry(this.state.histories, id) })
  }

  /** Everything up to `seq` has been seen. */
  read(id: number, seq: number): void {
    const chat = this.state.chats.get(id)
    if (chat === undefined || seq <= chat.read_seq) return
    const messages = this.state.histories.get(id)?.messages ?? []
    this.set({
      chats: withEntry(this.state.chats, id, withRead(chat, this.myId, seq, this.myId, messages)),
    })
    // Where this does not go through, the next catching up tells it.
    this.socket.send({ type: 'read', chat_id: id, seq })
  }

  // ---- People -------------------------------------------------------------------------------

  know(user: Person | User): void {
    this.set({ people: withEntry(this.state.people, user.user_id, user) })
  }

  async search(query: string): Promise<User[]> {
    return (await this.around.api.searchUsers(query)).users
  }

  changePassword(old: string, next: string): Promise<void> {
    return this.around.api.changePassword(old, next)
  }

  /** Looks up the names of those who wrote or joined and are not known, each once. */
  private meet(messages: readonly Message[]): void {
    for (const { sender_id, user_id } of messages)
      for (const id of [sender_id, user_id]) if (id != null) void this.lookUp(id)
  }

  /** False where there is no such user (any more). */
  async lookUp(userId: number): Promise<boolean> {
    const known = this.state.people.get(userId)
    if (known !== undefined) return !isGone(known)
    if (this.asked.has(userId)) return false
    this.asked.add(userId)
    try {
      const { username } = await this.around.api.username(userId)
      if (!this.state.people.has(userId))
        this.know({ user_id: userId, username, full_name: null, profile_picture: null })
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 404)
        this.know({ user_id: userId, username: '', full_name: null, profile_picture: null })
      else this.asked.delete(userId)
      return false
    }
  }

  async loadGroup(id: number): Promise<void> {
    try {
      const group = await this.around.api.group(id)
      const people = new Map(this.state.people)
      for (const { user_id, username, full_name } of group.members) {
        const profile_picture = people.get(user_id)?.profile_picture ?? null
        people.set(user_id, { user_id, username, full_name, profile_picture })
      }
      const chat = this.state.chats.get(id)
      this.set({
        people,
        groups: withEntry(this.state.groups, id, group),
        chats:
          chat === undefined
            ? this.state.chats
            : withEntry(this.state.chats, id, {
                ...chat,
                name: group.name,
                owner_id: group.owner_id,
                member_count: group.members.length,
              }),
      })
      this.watch()
    } catch {
      // The member list stays as it is; a group that is gone is told by `chat_removed`.
    }
  }

  // ---- Writing ------------------------------------------------------------------------------

  send(chatId: number, content: string): void {
    void this.outbox?.add(chatId, content)
  }

  retry(clientId: string): void {
    void this.outbox?.retry(clientId)
  }

  discard(clientId: string): void {
    void this.outbox?.discard(clientId)
  }

  /** Another tab changed the outbox. */
  outboxChanged(userId: number): void {
    if (userId === this.myId) void this.outbox?.load().then(() => this.outbox?.flush())
  }

  /** Another tab signed out. */
  signedOutElsewhere(): void {
    if (this.state.phase === 'signed_in') this.leave(false)
  }

  private sendEntry(entry: Outgoing): Promise<Sent> {
    return new Promise((resolve) => {
      const { client_id: id, chat_id: receiver_id, content } = entry
      let stop = () => {}
      const settle = (sent: Sent) => {
        stop()
        this.acks.delete(id)
        resolve(sent)
      }
      this.acks.set(id, settle)
      stop = this.around.clock.after(ACK_TIMEOUT_MS, () => {
        settle({ kind: 'later', retryMs: null })
        this.socket.renew()
      })
      if (!this.socket.send({ type: 'send', id, receiver_id, content }))
        settle({ kind: 'later', retryMs: null })
    })
  }

  private acked(entry: Outgoing, ack: Ack): void {
    const message: Message = {
      message_id: ack.message_id,
      chat_id: ack.chat_id,
      seq: ack.seq,
      mod: ack.mod,
      sender_id: this.myId,
      kind: 'text',
      content: entry.content,
      sent_at: ack.sent_at ?? entry.created_at,
      edited_at: null,
      deleted: false,
      client_id: entry.client_id,
    }
    // A repeat may answer for a message that was changed since: its push or sync tells the content.
    const repeat = ack.duplicate === true
    const chat = this.state.chats.get(ack.chat_id)
    if (chat === undefined) {
      if (!this.state.catchingUp) void this.catchUp()
    } else if (!repeat)
      this.set({
        chats: withEntry(this.state.chats, ack.chat_id, withMessage(chat, message, this.myId)),
      })
    this.changeHistory(ack.chat_id, (history) =>
      applyAck(history, repeat ? null : message, ack.mod),
    )
    if (repeat) void this.refresh(ack.chat_id, ack.seq)
  }

  /** Reads one message anew. */
  private async refresh(id: number, seq: number): Promise<void> {
    try {
      const { messages } = await this.around.api.messages(id, { before: seq + 1, limit: 1 })
      for (const message of messages) {
        const chat = this.state.chats.get(id)
        if (chat !== undefined)
          this.set({ chats: withEntry(this.state.chats, id, withMessage(chat, message, this.myId)) })
        const history = this.state.histories.get(id)
        const first = history?.messages[0]
        if (history?.loaded && (first === undefined || first.seq <= message.seq))
          this.changeHistory(id, (h) => ({ ...applyPage(h, [message], h.more), strays: h.strays }))
      }
    } catch {
      // It is read with the next page or sync.
    }
  }

  typingNow(chatId: number, isTyping: boolean): void {
    this.socket.send({ type: 'typing', chat_id: chatId, is_typing: isTyping })
  }

  async edit(message: Message, content: string): Promise<void> {
    // Our own sockets are told too, since the change is made over HTTP.
    const changed = await this.around.api.editMessage(message.message_id, content)
    this.changeHistory(message.chat_id, (history) => {
      const i = indexOfSeq(history.messages, changed.seq)
      const there = history.messages[i]
      if (there?.seq !== changed.seq || there.mod >= changed.mod) return history
      const messages = history.messages.map((m, at) => (at === i ? { ...there, ...changed } : m))
      return { ...history, messages }
    })
  }

  async remove(message: Message): Promise<void> {
    await this.around.api.deleteMessage(message.message_id)
  }

  // ---- Groups -------------------------------------------------------------------------------

  /** Returns the new group's id. */
  async createGroup(name: string, userIds: readonly number[]): Promise<number> {
    const group = await this.around.api.createGroup(name)
    this.set({ groups: withEntry(this.state.groups, group.group_id, group) })
    await this.addMembers(group.group_id, userIds)
    if (!this.state.chats.has(group.group_id)) void this.catchUp()
    return group.group_id
  }

  async addMembers(groupId: number, userIds: readonly number[]): Promise<void> {
    try {
      for (const userId of userIds) await this.around.api.addToGroup(groupId, userId)
    } finally {
      await this.loadGroup(groupId)
    }
  }

  async removeMember(groupId: number, userId: number): Promise<void> {
    await this.around.api.removeFromGroup(groupId, userId)
    await this.loadGroup(groupId)
  }

  async renameGroup(groupId: number, name: string): Promise<void> {
    await this.around.api.renameGroup(groupId, name)
    await this.loadGroup(groupId)
  }

  async leaveGroup(groupId: number): Promise<void> {
    await this.around.api.leaveGroup(groupId)
    this.removeChat(groupId)
  }

  // ---- Notices ------------------------------------------------------------------------------

  notice(kind: 'info' | 'error', text: string): void {
    const id = ++this.lastNotice
    this.set({ notices: [...this.state.notices.slice(-2), { id, kind, text }] })
    this.around.clock.after(kind === 'error' ? 8_000 : 4_000, () => this.dismiss(id))
  }

  dismiss(id: number): void {
    this.set({ notices: this.state.notices.filter((notice) => notice.id !== id) })
  }
}

const isTransient = (code: string) => code === 'unavailable' || code === 'too_many_requests'

/** What an error frame means for the send it names. */
function verdict(code: string, retryAfterMs: number | undefined): Sent {
  if (retryAfterMs !== undefined) return { kind: 'later', retryMs: retryAfterMs }
  if (isTransient(code)) return { kind: 'later', retryMs: 2_000 }
  return { kind: 'refused', code }
}
