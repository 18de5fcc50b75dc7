// Typing indicators, each with an expiry time. Owns `typing`.

import type { Clock } from './clock'
import { withEntry, withoutEntry, type AppStore } from './state'

/** The server repeats or ends an indicator within 6 s; the rest allows for delay. */
const EXPIRY_MS = 6_500

export class Typing {
  constructor(
    private readonly store: AppStore,
    private readonly clock: Clock,
  ) {}

  set(chatId: number, userId: number, isTyping: boolean): void {
    const current = this.store.getState().typing.get(chatId)
    if (!isTyping && !current?.has(userId)) return
    const users = new Map(current)
    if (isTyping) {
      const expiry = this.clock.now() + EXPIRY_MS
      users.set(userId, expiry)
      this.clock.after(EXPIRY_MS, () => this.expire(chatId, userId, expiry))
    } else {
      users.delete(userId)
    }
    const { typing } = this.store.getState()
    this.store.setState({
      typing: users.size > 0 ? withEntry(typing, chatId, users) : withoutEntry(typing, chatId),
    })
  }

  /** Ends an indicator that was not renewed after `expiry` was set. */
  private expire(chatId: number, userId: number, expiry: number): void {
    const latest = this.store.getState().typing.get(chatId)?.get(userId)
    if (latest !== undefined && latest <= expiry) this.set(chatId, userId, false)
  }

  removeChat(chatId: number): void {
    this.store.setState({ typing: withoutEntry(this.store.getState().typing, chatId) })
  }
}
