// Catching up with the server after connecting, and whenever changes may have been missed.
// Owns `catchingUp`, `chatListLoaded` and `epoch`.
//
// The chat list is read over HTTP, then a `sync` frame requests what changed since the resume
// points. Pushes arrive from `ready` on, so no change falls between the list and the sync. Only when
// all pages of the list were read, chats that are not in it are dropped.
//
// The server names the history of its database, the epoch. When it changes, all ids and numbers that
// are known belong to another history: they are dropped, and the page starts from the chat list. Only the
// WebSocket names the epoch. Without it a chat whose changes go back shows that the epoch is another one.

import { ApiError, type Api } from './api'
import { backoffMs } from './backoff'
import { withMessage, withMessagesOnly, withRead } from './chat'
import type { ChatList } from './chat_list'
import type { Clock } from './clock'
import type { Connection } from './connection'
import type { Groups } from './groups'
import { applySync } from './history'
import type { People } from './people'
import type { Pins } from './pins'
import type { PresenceWatch } from './presence'
import { myId, type AppStore } from './state'
import type { Timeline } from './timeline'
import type { Chat, Message, ServerFrame } from './types'

const RETRY_MS = 2_000
/** In place of the epoch, while it is only known that it is not the former one. */
const UNNAMED_EPOCH = ''
/** The first page is on the screen before the others are read, which are as large as the server allows. */
const FIRST_PAGE = 100
const PAGE = 200

type ChatPage = Awaited<ReturnType<Api['chats']>>

type MessagesFrame = Extract<ServerFrame, { type: 'messages' }>

export interface SyncHandlers {
  /** Messages were received. */
  received(messages: readonly Message[]): void
  unauthorized(): void
  /** All chats, messages and people that are known belong to another epoch. */
  epochChanged(): void
}

export interface SyncParts {
  store: AppStore
  api: Api
  clock: Clock
  connection: Connection
  chats: ChatList
  timeline: Timeline
  people: People
  groups: Groups
  pins: Pins
  presence: PresenceWatch
  /** Resolves when the page has nothing else to do. */
  idle(): Promise<void>
  handlers: SyncHandlers
}

export class Sync {
  /** Changes when the connection is lost or catching up starts again: older responses are ignored. */
  private generation = 0
  private failures = 0
  /** True if chats were read before the epoch was known. */
  private isEpochAssumed = false
  /**
   * Chats that were not in the list at a push since it was requested, and the mod that their row must have:
   * the list may be older than the push.
   */
  private readonly unlisted = new Map<number, number>()
  private cancelRetry: () => void = () => {}

  constructor(private readonly parts: SyncParts) {}

  /** The epoch of a `ready` or a `resync`. */
  setEpoch(epoch: string): void {
    const known = this.parts.store.getState().epoch
    this.parts.store.setState({ epoch })
    if (known !== null && epoch !== known) this.parts.handlers.epochChanged()
  }

  /**
   * A chat that is not in the list has a change; `mod` is Infinity if it takes none. Without a connection the next
   * poll reads it.
   */
  chatNotListed(id: number, mod: number): void {
    const { catchingUp, socket } = this.parts.store.getState()
    if (catchingUp) this.unlisted.set(id, Math.max(mod, this.unlisted.get(id) ?? 0))
    else if (socket === 'ready') void this.catchUp()
  }

  async catchUp(): Promise<void> {
    const generation = ++this.generation
    this.parts.store.setState({ catchingUp: true })
    try {
      const isComplete = await this.readList(() => generation !== this.generation)
      if (!isComplete) return
    } catch (error) {
      if (generation === this.generation) this.listFailed(error)
      return
    }
    this.failures = 0
    this.requestChanges(this.parts.timeline.resumePoints())
    this.parts.presence.update()
    this.reloadOpenChat()
  }

  /**
   * Reads the list over HTTP while there is no connection, the whole of it only once, and the newest
   * messages of the open chat. Returns false if the server cannot be reached.
   */
  async poll(): Promise<boolean> {
    const isStale = () => this.parts.store.getState().socket === 'ready'
    if (this.parts.store.getState().epoch === null) this.isEpochAssumed = true
    try {
      if (this.parts.store.getState().chatListLoaded) await this.readFirstPage(isStale)
      else await this.readList(isStale)
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.parts.handlers.unauthorized()
      return false
    }
    if (!isStale()) this.refreshOpenChat()
    return true
  }

  /**
   * Reads the list page by page, the first one at once and the others when the page is idle. Returns
   * false if it became stale meanwhile.
   */
  private async readList(isStale: () => boolean): Promise<boolean> {
    const { store, api, chats, timeline, idle } = this.parts
    const { openChatId } = store.getState()
    const hasNotBegun = openChatId !== null && chats.get(openChatId) === undefined
    let after = await this.readFirstPage(isStale)
    // The sync that brings what was missed follows the last page.
    if (after !== null) this.refreshOpenChat()
    while (after !== null) {
      await idle()
      const page: ChatPage = await api.chats(PAGE, after)
      if (isStale()) return false
      this.applyPage(page.chats)
      after = page.next
    }
    if (isStale()) return false
    const kept = chats.endList()
    timeline.retain(hasNotBegun ? [...kept, openChatId] : kept)
    store.setState({ chatListLoaded: true })
    return true
  }

  /** Returns the `next` of the page; null also if it is stale. */
  private async readFirstPage(isStale: () => boolean): Promise<string | null> {
    this.parts.chats.beginList()
    this.unlisted.clear()
    const { chats: before } = this.parts.store.getState()
    const page = await this.parts.api.chats(FIRST_PAGE, null)
    if (isStale()) return null
    if (this.wentBack(before, page.chats)) this.setEpoch(UNNAMED_EPOCH)
    this.applyPage(page.chats)
    return page.next
  }

  /** True if a page read without a connection has a chat at an earlier change than `before`, when it was requested. */
  private wentBack(before: ReadonlyMap<number, Chat>, page: readonly Chat[]): boolean {
    const { socket, chats } = this.parts.store.getState()
    return (
      socket !== 'ready' &&
      page.some(({ chat_id, last_mod }) => {
        const known = before.get(chat_id)
        return known !== undefined && known === chats.get(chat_id) && last_mod < known.last_mod
      })
    )
  }

  private applyPage(page: readonly Chat[]): void {
    this.parts.chats.addPage(page)
    this.parts.timeline.reconcile(page)
    this.parts.people.add(...page.flatMap(({ peer }) => (peer === null ? [] : [peer])))
    this.sendReadMarks(page)
  }

  private requestChanges(after: Record<string, number>): void {
    // Without an epoch the server resets the chats whose mods it has not reached.
    const epoch = this.isEpochAssumed ? null : this.parts.store.getState().epoch
    this.isEpochAssumed = false
    this.parts.connection.send({ type: 'sync', ...(epoch !== null && { epoch }), after })
  }

  private listFailed(error: unknown): void {
    if (error instanceof ApiError && error.status === 401) return this.parts.handlers.unauthorized()
    const retryMs = error instanceof ApiError ? error.retryAfterMs : null
    this.catchUpAfter(retryMs ?? backoffMs(this.failures++, this.parts.clock))
  }

  /** Sends what was marked as read while disconnected. */
  private sendReadMarks(list: readonly Chat[]): void {
    for (const fresh of list) {
      const seq = this.parts.chats.get(fresh.chat_id)?.read_seq ?? 0
      if (seq > fresh.read_seq && seq <= fresh.last_seq)
        this.parts.connection.send({ type: 'read', chat_id: fresh.chat_id, seq })
    }
  }

  /** Loads the newest messages of the open chat again. */
  private refreshOpenChat(): void {
    const { openChatId } = this.parts.store.getState()
    if (openChatId !== null) void this.parts.timeline.refresh(openChatId)
  }

  private reloadOpenChat(): void {
    const { openChatId } = this.parts.store.getState()
    if (openChatId === null) return
    void this.parts.timeline.loadView()
    void this.parts.pins.load(openChatId)
    if (this.parts.chats.get(openChatId)?.kind === 'group') void this.parts.groups.load(openChatId)
  }

  /** A `messages` frame: the changes of one chat. */
  received({ chat_id, messages, read_seq, reset }: MessagesFrame): void {
    if (reset) this.parts.timeline.restart(chat_id)
    const me = myId(this.parts.store)
    const history = this.parts.timeline.get(chat_id)
    this.parts.chats.update(chat_id, (chat) => {
      const changed = reset
        ? withMessagesOnly(chat, messages, me)
        : messages.reduce((next, message) => withMessage(next, message, me), chat)
      return withRead(changed, me, read_seq, me, history)
    })
    this.parts.timeline.apply(chat_id, (history) => applySync(history, messages))
    this.parts.handlers.received(messages)
  }

  /** A `synced` frame: the sync is complete. */
  completed(): void {
    this.parts.store.setState({ catchingUp: false })
    this.parts.timeline.watchGaps()
    // A chat whose last message is newer than the first page is missing from the following ones.
    if ([...this.unlisted].some(([id, mod]) => (this.parts.chats.get(id)?.last_mod ?? 0) < mod)) void this.catchUp()
  }

  /** An `error` frame without an id: a sync, a `read` or a `presence` failed. */
  failed(retryMs = RETRY_MS): void {
    this.catchUpAfter(retryMs)
  }

  private catchUpAfter(ms: number): void {
    const { generation } = this
    this.cancelRetry()
    this.cancelRetry = this.parts.clock.after(ms, () => {
      if (generation !== this.generation) return
      this.parts.presence.reset()
      void this.catchUp()
    })
  }

  /** A gap stays open although nothing is being synced. */
  requestMissing(): void {
    const after = this.parts.timeline.resumePoints()
    if (Object.keys(after).length > 0) this.requestChanges(after)
  }

  /** The connection was lost. */
  interrupt(): void {
    this.generation++
    this.parts.store.setState({ catchingUp: false })
  }

  reset(): void {
    this.cancelRetry()
    this.interrupt()
    this.isEpochAssumed = false
    this.parts.store.setState({ epoch: null })
  }
}
