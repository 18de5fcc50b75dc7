// The chats of the user. Owns `chats`; chat.ts says what each event does to one of them.

import { withSummary } from './chat'
import { withEntry, withoutEntry, type AppStore } from './state'
import type { Chat } from './types'

/** More chats than a user can have. */
const LIST_MAX = 1_000_000

export class ChatList {
  /** Chats with a new message since the list was requested: the response may lack them. */
  private readonly active = new Set<number>()
  /** The highest `activity` of a chat. */
  private activity = 0
  /** The ids of the chats in the pages of the list so far, and the `activity` of the first one. */
  private readonly listed = new Set<number>()
  private firstActivity = 0

  constructor(private readonly store: AppStore) {}

  get(id: number): Chat | undefined {
    return this.store.getState().chats.get(id)
  }

  /** Returns false if the chat is not in the list. */
  update(id: number, change: (chat: Chat) => Chat): boolean {
    const chat = this.get(id)
    if (chat === undefined) return false
    const changed = change(chat)
    if (changed !== chat) this.set(changed, chat)
    return true
  }

  /** A `chat` frame: adds the chat, or merges the new summary. */
  put(fresh: Chat): void {
    const known = this.get(fresh.chat_id)
    this.set(withSummary(known, fresh), known)
  }

  /** Stores a chat, as the one with the latest activity if it is new or has a new message. */
  private set(chat: Chat, known: Chat | undefined): void {
    const isActive = known === undefined || chat.last_seq > known.last_seq
    if (isActive) this.active.add(chat.chat_id)
    const activity = isActive ? ++this.activity : known.activity
    const { chats } = this.store.getState()
    this.store.setState({ chats: withEntry(chats, chat.chat_id, { ...chat, activity }) })
  }

  remove(id: number): void {
    this.store.setState({ chats: withoutEntry(this.store.getState().chats, id) })
  }

  /** To be called when the list is requested. */
  beginList(): void {
    this.active.clear()
    this.listed.clear()
    for (const { activity } of this.store.getState().chats.values())
      this.activity = Math.max(this.activity, activity ?? 0)
    this.firstActivity = this.activity += LIST_MAX
  }

  /** Takes over a page of the list, the chat with the latest activity first. */
  addPage(page: readonly Chat[]): void {
    const chats = new Map(this.store.getState().chats)
    for (const fresh of page) {
      const known = chats.get(fresh.chat_id)
      // A chat with a new message meanwhile stays before all others.
      const activity = this.active.has(fresh.chat_id) ? known?.activity : this.firstActivity - this.listed.size
      chats.set(fresh.chat_id, { ...withSummary(known, fresh), activity })
      this.listed.add(fresh.chat_id)
    }
    this.store.setState({ chats })
  }

  /** All pages were taken over: drops the other chats. Returns the ids of those kept, which had a new message. */
  endList(): number[] {
    const chats = new Map(this.store.getState().chats)
    const kept: number[] = []
    for (const id of chats.keys()) {
      if (this.listed.has(id)) continue
      if (this.active.has(id)) kept.push(id)
      else chats.delete(id)
    }
    this.store.setState({ chats })
    return kept
  }

  reset(): void {
    this.active.clear()
  }
}
