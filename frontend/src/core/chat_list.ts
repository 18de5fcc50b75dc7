// The chats of the user. Owns `chats`; chat.ts says what each event does to one of them.

import { withSummary } from './chat'
import { withEntry, withoutEntry, type AppStore } from './state'
import type { Chat } from './types'

export class ChatList {
  /** Chats added by a `chat` frame since the list was requested: the response may lack them. */
  private readonly added = new Set<number>()

  constructor(private readonly store: AppStore) {}

  get(id: number): Chat | undefined {
    return this.store.getState().chats.get(id)
  }

  /** Returns false if the chat is not in the list. */
  update(id: number, change: (chat: Chat) => Chat): boolean {
    const chat = this.get(id)
    if (chat === undefined) return false
    const changed = change(chat)
    if (changed !== chat)
      this.store.setState({ chats: withEntry(this.store.getState().chats, id, changed) })
    return true
  }

  /** A `chat` frame: adds the chat, or merges the new summary. */
  put(fresh: Chat): void {
    const known = this.get(fresh.chat_id)
    if (known === undefined) this.added.add(fresh.chat_id)
    const { chats } = this.store.getState()
    this.store.setState({ chats: withEntry(chats, fresh.chat_id, withSummary(known, fresh)) })
  }

  remove(id: number): void {
    this.store.setState({ chats: withoutEntry(this.store.getState().chats, id) })
  }

  /** To be called when the list is requested. */
  beginReplace(): void {
    this.added.clear()
  }

  /** Takes over a list read from the server. Returns the ids of chats kept though not in it. */
  replace(list: readonly Chat[]): number[] {
    const chats = new Map<number, Chat>()
    for (const fresh of list)
      chats.set(fresh.chat_id, withSummary(this.get(fresh.chat_id), fresh))
    const kept: number[] = []
    for (const id of this.added) {
      const chat = this.get(id)
      if (chat === undefined || chats.has(id)) continue
      chats.set(id, chat)
      kept.push(id)
    }
    this.store.setState({ chats })
    return kept
  }

  reset(): void {
    this.added.clear()
  }
}
