// What this browser keeps of the server's state, so that the page shows it at once and starts without a
// connection: the user, the latest chats, and the newest messages of each.
//
// Each chat is one record, which is complete by itself: its messages are contiguous up to the newest one
// and have all changes up to `mod`, from where a sync continues. A record of another epoch is ignored, so
// that it does not matter in which order several tabs write.

import { sortChats } from './chat'
import type { Clock } from './clock'
import { hasGap, segmentAt, type History } from './history'
import type { AppState, AppStore, Person } from './state'
import type { Chat, Message, User } from './types'

const CHATS_MAX = 200
const MESSAGES_MAX = 50
const PEOPLE_MAX = 1_000
const SAVE_MS = 1_000

export interface CachedSession {
  me: User
  epoch: string
  people: readonly Person[]
}

export interface CachedChat {
  chat_id: number
  user_id: number
  epoch: string
  chat: Chat
  history: CachedHistory | null
}

export interface CachedHistory {
  /** All changes up to this one are in `messages`. */
  mod: number
  messages: readonly Message[]
  /** The seq of the first message, or 1 if there is none before it. */
  from: number
}

/** The storage of the cache. A failure counts as an empty cache. */
export interface CacheStore {
  load(): Promise<{ session: CachedSession | null; chats: CachedChat[] }>
  saveSession(session: CachedSession): Promise<void>
  saveChats(chats: readonly CachedChat[], removed: readonly number[]): Promise<void>
  erase(): Promise<void>
}

export interface CachedState extends Pick<AppState, 'epoch' | 'people' | 'chats' | 'histories'> {
  me: User
}

export class Cache {
  /** What was saved of each chat. */
  private readonly saved = new Map<number, { chat: Chat; history: History | undefined }>()
  private savedSession: Pick<AppState, 'me' | 'epoch' | 'people'> | null = null
  private cancelTimer: (() => void) | null = null
  /** Changes when the cache is erased: a save that has begun then ends. */
  private generation = 0
  private unsubscribe = () => {}

  constructor(
    private readonly store: AppStore,
    private readonly storage: CacheStore,
    private readonly clock: Clock,
  ) {}

  /** Returns the state of the user who was signed in last; null if there is none. */
  async load(): Promise<CachedState | null> {
    const { session, chats } = await this.storage.load()
    if (session === null) return null
    const { me, epoch, people } = session
    const own = chats.filter((cached) => cached.user_id === me.user_id && cached.epoch === epoch)
    return {
      me,
      epoch,
      people: new Map(people.map((person) => [person.user_id, person])),
      chats: new Map(own.map(({ chat }) => [chat.chat_id, chat])),
      histories: new Map(
        own.flatMap(({ chat_id, history }) => (history === null ? [] : [[chat_id, fromCached(history)]])),
      ),
    }
  }

  /** Keeps the cache up to date from now on. `cached` is what was loaded. */
  start(cached: CachedState | null): void {
    this.savedSession = cached
    for (const [id, chat] of cached?.chats ?? [])
      this.saved.set(id, { chat, history: cached?.histories.get(id) })
    this.unsubscribe = this.store.subscribe((state, before) => {
      if (state.chats !== before.chats || state.histories !== before.histories || state.epoch !== before.epoch)
        this.cancelTimer ??= this.clock.after(SAVE_MS, () => void this.save())
    })
  }

  /** Erases the cache, and stops keeping it. */
  async erase(): Promise<void> {
    this.generation++
    this.unsubscribe()
    this.cancelTimer?.()
    this.cancelTimer = null
    this.saved.clear()
    this.savedSession = null
    await this.storage.erase()
  }

  private async save(): Promise<void> {
    this.cancelTimer = null
    const { generation } = this
    const { me, epoch, chats, histories, people } = this.store.getState()
    // Without its epoch nothing can be continued from.
    if (me === null || epoch === null) return
    const session = this.savedSession
    if (session?.me !== me || session.epoch !== epoch || session.people !== people) {
      this.savedSession = { me, epoch, people }
      await this.storage.saveSession({ me, epoch, people: [...people.values()].slice(-PEOPLE_MAX) })
      if (generation !== this.generation) return
    }
    const latest = sortChats(chats.values(), new Map()).slice(0, CHATS_MAX)
    const kept = new Set(latest.map(({ chat_id }) => chat_id))
    const removed = [...this.saved.keys()].filter((id) => !kept.has(id))
    const changed = latest.filter((chat) => {
      const saved = this.saved.get(chat.chat_id)
      return saved?.chat !== chat || saved.history !== histories.get(chat.chat_id)
    })
    for (const id of removed) this.saved.delete(id)
    for (const chat of changed)
      this.saved.set(chat.chat_id, { chat, history: histories.get(chat.chat_id) })
    if (changed.length + removed.length === 0) return
    const records = changed.map((chat) => ({
      chat_id: chat.chat_id,
      user_id: me.user_id,
      epoch,
      chat,
      history: toCached(histories.get(chat.chat_id)),
    }))
    await this.storage.saveChats(records, removed)
  }
}

/** The newest messages of a history, if all changes of them up to its resume point are known. */
function toCached(history: History | undefined): CachedHistory | null {
  const live = segmentAt(history, null)
  if (history === undefined || live === undefined || history.mod === null || hasGap(history)) return null
  const messages = live.messages.slice(-MESSAGES_MAX)
  const isCut = messages.length < live.messages.length
  return { mod: history.mod, messages, from: isCut ? messages[0]!.seq : live.from }
}

function fromCached({ mod, messages, from }: CachedHistory): History {
  return { segments: [{ from, to: Infinity, messages }], mod, ahead: [], buffered: null, deferred: [] }
}
