// Catching up with the server after connecting, and whenever changes may have been missed.
// Owns `catchingUp` and `chatListLoaded`.
//
// The chat list is read over HTTP, then a `sync` frame requests what changed since the resume
// points. Pushes arrive from `ready` on, so no change falls between the list and the sync.

import { ApiError, type Api } from './api'
import { backoffMs } from './backoff'
import { withMessage, withRead } from './chat'
import type { ChatList } from './chat_list'
import type { Clock } from './clock'
import type { Connection } from './connection'
import type { Groups } from './groups'
import { applySync } from './history'
import type { People } from './people'
import type { PresenceWatch } from './presence'
import { myId, type AppStore } from './state'
import type { Timeline } from './timeline'
import type { Chat, Message, ServerFrame } from './types'

const RETRY_MS = 2_000

type MessagesFrame = Extract<ServerFrame, { type: 'messages' }>

export interface SyncHandlers {
  /** Messages were received. */
  received(messages: readonly Message[]): void
  unauthorized(): void
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
  presence: PresenceWatch
  handlers: SyncHandlers
}

export class Sync {
  /** Changes when the connection is lost or catching up starts again: older responses are ignored. */
  private generation = 0
  private failures = 0
  private cancelRetry: () => void = () => {}

  constructor(private readonly parts: SyncParts) {}

  /** Catches up, unless that is going on. */
  ensure(): void {
    if (!this.parts.store.getState().catchingUp) void this.catchUp()
  }

  async catchUp(): Promise<void> {
    const generation = ++this.generation
    this.parts.store.setState({ catchingUp: true })
    this.parts.chats.beginReplace()
    let chats: Chat[]
    try {
      chats = (await this.parts.api.chats()).chats
    } catch (error) {
      if (generation === this.generation) this.listFailed(error)
      return
    }
    if (generation !== this.generation) return
    this.failures = 0
    this.applyList(chats)
    this.parts.connection.send({ type: 'sync', after: this.parts.timeline.resumePoints() })
    this.parts.presence.update()
    this.reloadOpenChat()
  }

  private listFailed(error: unknown): void {
    if (error instanceof ApiError && error.status === 401) return this.parts.handlers.unauthorized()
    const retryMs = error instanceof ApiError ? error.retryAfterMs : null
    this.catchUpAfter(retryMs ?? backoffMs(this.failures++, this.parts.clock))
  }

  private applyList(list: readonly Chat[]): void {
    const { openChatId } = this.parts.store.getState()
    const hasNotBegun = openChatId !== null && this.parts.chats.get(openChatId) === undefined
    const added = this.parts.chats.replace(list)
    this.parts.timeline.reconcile(list, hasNotBegun ? [...added, openChatId] : added)
    this.parts.people.add(...list.flatMap(({ peer }) => (peer === null ? [] : [peer])))
    this.sendReadMarks(list)
    this.parts.store.setState({ chatListLoaded: true })
  }

  /** Sends what was marked as read while disconnected. */
  private sendReadMarks(list: readonly Chat[]): void {
    for (const fresh of list) {
      const seq = this.parts.chats.get(fresh.chat_id)?.read_seq ?? 0
      if (seq > fresh.read_seq && seq <= fresh.last_seq)
        this.parts.connection.send({ type: 'read', chat_id: fresh.chat_id, seq })
    }
  }

  private reloadOpenChat(): void {
    const { openChatId } = this.parts.store.getState()
    if (openChatId === null) return
    void this.parts.timeline.loadNewest(openChatId)
    if (this.parts.chats.get(openChatId)?.kind === 'group') void this.parts.groups.load(openChatId)
  }

  /** A `messages` frame: the changes of one chat. */
  received({ chat_id, messages, read_seq }: MessagesFrame): void {
    const me = myId(this.parts.store)
    const known = this.parts.timeline.get(chat_id)?.messages ?? []
    this.parts.chats.update(chat_id, (chat) => {
      const changed = messages.reduce((next, message) => withMessage(next, message, me), chat)
      return withRead(changed, me, read_seq, me, known)
    })
    this.parts.timeline.apply(chat_id, (history) => applySync(history, messages))
    this.parts.handlers.received(messages)
  }

  /** A `synced` frame: the sync is complete. */
  completed(): void {
    this.parts.store.setState({ catchingUp: false })
    this.parts.timeline.watchGaps()
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
    if (Object.keys(after).length > 0) this.parts.connection.send({ type: 'sync', after })
  }

  /** The connection was lost. */
  interrupt(): void {
    this.generation++
    this.parts.store.setState({ catchingUp: false })
  }

  reset(): void {
    this.cancelRetry()
    this.interrupt()
  }
}
