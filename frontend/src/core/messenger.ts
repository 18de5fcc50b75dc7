// Creates the parts of the core and connects them. A lower part reports to a higher one through the
// handlers that it is given here.
//
//   session                                     log-in, log-out
//   frame_handler                               frames of the server
//   sync                                        catching up
//   operations, groups                          requests of the user
//   timeline, chat_list, presence               messages, chats, who is online
//   people, typing, notices, connection         profiles, indicators, messages to the user, frames

import { Cache, type CachedState } from './cache'
import { ChatList } from './chat_list'
import { Connection } from './connection'
import type { Environment } from './environment'
import { FrameHandler } from './frame_handler'
import { Groups } from './groups'
import type { MessageQuery } from './message_search'
import { Notices } from './notices'
import { Operations } from './operations'
import { People } from './people'
import { Pins } from './pins'
import { Polling } from './polling'
import { PresenceWatch } from './presence'
import { Session } from './session'
import type { SocketState } from './socket'
import { myId, type AppStore } from './state'
import { Sync } from './sync'
import { ThreadView } from './thread'
import { Timeline } from './timeline'
import type { FoundMessages, Message, ServerFrame, User } from './types'
import { Typing } from './typing'

export class Messenger {
  readonly session: Session
  readonly connection: Connection
  readonly operations: Operations
  readonly timeline: Timeline
  readonly thread: ThreadView
  readonly people: People
  readonly groups: Groups
  readonly pins: Pins
  readonly notices: Notices
  private readonly typing: Typing
  private readonly presence: PresenceWatch
  private readonly chats: ChatList
  private readonly sync: Sync
  private readonly frames: FrameHandler
  private readonly polling: Polling
  private readonly cache: Cache

  constructor(
    readonly store: AppStore,
    private readonly env: Environment,
  ) {
    const { api, clock } = env
    const unauthorized = () => this.session.expire()
    const received = (messages: readonly Message[]) => this.messagesReceived(messages)
    const removeChat = (id: number) => this.removeChat(id)

    this.notices = new Notices(store, clock)
    this.people = new People(store, api)
    this.pins = new Pins(store, api)
    this.typing = new Typing(store, clock)
    this.connection = new Connection(store, env, {
      stateChanged: (state) => this.socketChanged(state),
      frame: (frame) => this.received(frame),
      handshakeFailed: () => void this.session.verify(),
    })
    this.presence = new PresenceWatch(store, this.connection)
    this.chats = new ChatList(store)
    this.timeline = new Timeline(store, api, clock, {
      loaded: received,
      gapStaysOpen: () => this.sync.requestMissing(),
      unauthorized,
    })
    this.thread = new ThreadView(store, api, { loaded: received })
    this.groups = new Groups(store, api, this.people, this.chats, this.presence, {
      left: removeChat,
      notListed: () => void this.sync.catchUp(),
    })
    this.operations = new Operations(store, env, this.connection, this.chats, this.timeline, {
      chatNotListed: (id, mod) => this.sync.chatNotListed(id, mod),
      stored: (message) => this.thread.received([message]),
      reacted: (chatId, seq, change) => this.thread.reacted(chatId, seq, change),
      unauthorized,
    })
    const { connection, chats, timeline, thread, people, groups, pins, presence, typing } = this
    this.sync = new Sync({
      store,
      api,
      clock,
      connection,
      chats,
      timeline,
      people,
      groups,
      pins,
      presence,
      idle: env.idle,
      handlers: { received, unauthorized, epochChanged: () => this.forget() },
    })
    this.frames = new FrameHandler({
      store,
      chats,
      timeline,
      thread,
      people,
      groups,
      pins,
      typing,
      presence,
      sync: this.sync,
      hooks: { received, removeChat, notify: (message) => env.notify(message) },
    })
    this.polling = new Polling(store, clock, () => this.poll())
    this.cache = new Cache(store, env.cache, clock)
    this.session = new Session(store, env, {
      cached: () => this.cache.load(),
      signingIn: (me) => this.operations.open(me.user_id),
      signedIn: (cached) => this.signedIn(cached),
      signedOut: () => this.signedOut(),
      erase: () => this.operations.erase(),
      profileChanged: (me: User) => this.people.add(me),
    })
  }

  /** Sets the chat on the screen; null if none. */
  open(chatId: number | null): void {
    this.timeline.open(chatId)
    if (chatId === null) return
    if (this.chats.get(chatId) !== undefined) void this.pins.load(chatId)
    if (this.store.getState().polling) void this.timeline.refresh(chatId)
    if (this.chats.get(chatId)?.kind === 'group') void this.groups.load(chatId)
    else this.presence.update()
  }

  /** A page of a search of messages. The names of their senders are requested. */
  async search(query: MessageQuery, cursor: string | null, signal: AbortSignal): Promise<FoundMessages> {
    const page = await this.env.api.searchMessages(query, cursor, signal)
    this.people.resolve(page.messages)
    return page
  }

  /** Reconnects without delay: the network is back, or the page is visible again. */
  reconnect(): void {
    if (this.store.getState().phase === 'unreachable') void this.session.start()
    else this.connection.probe()
    this.presence.update()
  }

  /** The browser reports that it is offline, which may be wrong: a ping shows whether the connection still works. */
  offline(): void {
    this.presence.clear()
    this.connection.probe()
  }

  private async signedIn(cached: CachedState | null): Promise<void> {
    if (cached === null) await this.cache.erase()
    this.cache.start(cached)
    await this.operations.load()
    this.connection.open()
  }

  private signedOut(): void {
    void this.cache.erase()
    this.polling.stop()
    this.connection.close()
    this.sync.reset()
    this.resetKnown()
    this.operations.close()
  }

  /** Drops all that is known of the server but the session. The outbox is kept, and adapted to the new epoch. */
  private forget(): void {
    this.resetKnown()
    const { me } = this.store.getState()
    this.store.setState({
      chats: new Map(),
      chatListLoaded: false,
      histories: new Map(),
      thread: null,
      groups: new Map(),
      pins: new Map(),
      presence: new Map(),
      typing: new Map(),
      people: new Map(me === null ? [] : [[me.user_id, me]]),
    })
    this.operations.flush()
  }

  /** Resets the parts that hold what the server sent. */
  private resetKnown(): void {
    this.timeline.reset()
    this.chats.reset()
    this.people.reset()
    this.presence.reset()
  }

  private socketChanged(state: SocketState): void {
    this.polling.socketChanged(state)
    if (state === 'ended') return this.session.expire()
    if (state !== 'ready') {
      this.sync.interrupt()
      if (state === 'waiting') this.presence.clear()
      return
    }
    this.session.verifyCached()
    this.presence.reset()
    this.operations.flush()
    this.thread.refresh()
    void this.sync.catchUp()
  }

  private async poll(): Promise<boolean> {
    const reached = await this.sync.poll()
    if (reached) this.operations.flush()
    return reached
  }

  private received(frame: ServerFrame): void {
    if (frame.type === 'ready' && frame.user_id !== myId(this.store)) void this.session.restart()
    else this.frames.handle(frame)
  }

  private messagesReceived(messages: readonly Message[]): void {
    this.operations.confirm(messages)
    this.people.resolve(messages)
    this.thread.received(messages)
  }

  private removeChat(id: number): void {
    this.chats.remove(id)
    this.timeline.remove(id)
    if (this.store.getState().thread?.chat_id === id) this.thread.close()
    this.groups.remove(id)
    this.pins.remove(id)
    this.typing.removeChat(id)
  }
}
