// The pinned messages of the chats that were open. Owns `pins`. They are read from the server when a chat opens
// and after each change: the order in which messages were pinned is known to the server only.

import type { Api } from './api'
import { withEntry, withoutEntry, type AppStore } from './state'

export class Pins {
  /** Chats that are being read; true if they changed meanwhile. */
  private readonly loading = new Map<number, boolean>()

  constructor(
    private readonly store: AppStore,
    private readonly api: Api,
  ) {}

  /** Reads the pins of a chat. If that fails, the last known ones stay. */
  async load(chatId: number): Promise<void> {
    if (this.loading.has(chatId)) {
      this.loading.set(chatId, true)
      return
    }
    this.loading.set(chatId, false)
    const read = await this.api.pins(chatId).catch(() => null)
    const isStale = this.loading.get(chatId) === true
    this.loading.delete(chatId)
    if (read !== null) this.store.setState(({ pins }) => ({ pins: withEntry(pins, chatId, read.messages) }))
    if (isStale) await this.load(chatId)
  }

  /** A message was pinned, or its pin ended. */
  changed(chatId: number): void {
    if (this.store.getState().openChatId === chatId) void this.load(chatId)
    else this.remove(chatId)
  }

  /** A message was edited or deleted. */
  messageChanged(chatId: number, messageId: number): void {
    if (this.store.getState().pins.get(chatId)?.some((pin) => pin.message_id === messageId)) this.changed(chatId)
  }

  remove(chatId: number): void {
    this.store.setState(({ pins }) => ({ pins: withoutEntry(pins, chatId) }))
  }
}
