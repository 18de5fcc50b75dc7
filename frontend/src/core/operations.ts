// What the user does to messages: send, edit, delete, mark as read. Owns `outbox`.

import type { Api } from './api'
import { withMessage, withRead } from './chat'
import type { ChatList } from './chat_list'
import { isTransientCode, type Connection, type Reply } from './connection'
import type { Environment } from './environment'
import { applyAck, applyMessage } from './history'
import { Outbox, type Outgoing, type SendResult } from './outbox'
import { myId, type AppStore } from './state'
import type { Timeline } from './timeline'
import type { Ack, Message } from './types'

const RETRY_MS = 2_000

export class Operations {
  private outbox: Outbox | null = null
  private readonly api: Api

  constructor(
    private readonly store: AppStore,
    private readonly env: Environment,
    private readonly connection: Connection,
    private readonly chats: ChatList,
    private readonly timeline: Timeline,
    /** A message was sent to a chat that is not in the list. */
    private readonly chatNotListed: (id: number) => void,
  ) {
    this.api = env.api
  }

  /** Opens the outbox of a user. */
  async open(userId: number): Promise<void> {
    this.outbox = new Outbox(
      await this.env.openOutbox(userId),
      {
        send: (entry) => this.sendEntry(entry),
        acked: (entry, ack) => this.acked(entry, ack),
        changed: (outbox) => this.store.setState({ outbox }),
        broadcast: () => this.env.broadcast({ kind: 'outbox', userId }),
        lock: (work) => this.env.lock(`parley-outbox-${userId}`, work),
      },
      this.env.clock,
    )
  }

  /** Reads the stored outbox. */
  async load(): Promise<void> {
    await this.outbox?.load()
  }

  /** Sends what is in the outbox. */
  flush(): void {
    void this.outbox?.flush()
  }

  /** Another tab changed the outbox. */
  outboxChanged(userId: number): void {
    if (userId === myId(this.store)) void this.load().then(() => this.outbox?.flush())
  }

  /** Erases the outbox, in memory and in the browser. */
  async erase(): Promise<void> {
    await this.outbox?.clear()
  }

  close(): void {
    this.outbox = null
  }

  // ---- Sending ------------------------------------------------------------------------------

  send(chatId: number, content: string): void {
    void this.outbox?.add(chatId, content)
  }

  retry(clientId: string): void {
    void this.outbox?.retry(clientId)
  }

  discard(clientId: string): void {
    void this.outbox?.discard(clientId)
  }

  private async sendEntry(entry: Outgoing): Promise<SendResult> {
    const { client_id: id, chat_id: receiver_id, content } = entry
    return sendResult(await this.connection.request({ type: 'send', id, receiver_id, content }))
  }

  private acked(entry: Outgoing, ack: Ack): void {
    const message: Message = {
      message_id: ack.message_id,
      chat_id: ack.chat_id,
      seq: ack.seq,
      mod: ack.mod,
      sender_id: myId(this.store),
      kind: 'text',
      content: entry.content,
      sent_at: ack.sent_at ?? entry.created_at,
      edited_at: null,
      deleted: false,
      client_id: entry.client_id,
    }
    // The message of a repeated send may have been edited or deleted since it was stored.
    const stored = ack.duplicate === true ? null : message
    const listed = this.chats.update(ack.chat_id, (chat) =>
      stored === null ? chat : withMessage(chat, stored, myId(this.store)),
    )
    if (!listed) this.chatNotListed(ack.chat_id)
    this.timeline.apply(ack.chat_id, (history) => applyAck(history, stored, ack.mod))
    if (stored === null) void this.reload(ack.chat_id, ack.seq)
  }

  /** Reads one message from the server. */
  private async reload(chatId: number, seq: number): Promise<void> {
    try {
      const { messages } = await this.api.messages(chatId, { before: seq + 1, limit: 1 })
      for (const message of messages) {
        this.chats.update(chatId, (chat) => withMessage(chat, message, myId(this.store)))
        if (this.timeline.get(chatId) !== undefined)
          this.timeline.apply(chatId, (history) => applyMessage(history, message))
      }
    } catch {
      // The next page or sync brings it.
    }
  }

  /** Removes from the outbox what the server has: `messages` were received from it. */
  confirm(messages: readonly Message[]): void {
    for (const { client_id } of messages)
      if (client_id !== undefined) void this.outbox?.confirm(client_id)
  }

  // ---- Changing and reading -----------------------------------------------------------------

  async edit(message: Message, content: string): Promise<void> {
    const changed = await this.api.editMessage(message.message_id, content)
    // The `edited` push follows, since the request was made over HTTP.
    this.timeline.apply(message.chat_id, (history) => applyMessage(history, changed))
  }

  async delete(message: Message): Promise<void> {
    await this.api.deleteMessage(message.message_id)
  }

  /** Marks everything up to `seq` as read. */
  read(chatId: number, seq: number): void {
    const chat = this.chats.get(chatId)
    if (chat === undefined || seq <= chat.read_seq) return
    const me = myId(this.store)
    const history = this.timeline.get(chatId)
    this.chats.update(chatId, (known) => withRead(known, me, seq, me, history))
    // If the frame is lost, sync sends it again after the next chat list.
    this.connection.send({ type: 'read', chat_id: chatId, seq })
  }

  setTyping(chatId: number, isTyping: boolean): void {
    this.connection.send({ type: 'typing', chat_id: chatId, is_typing: isTyping })
  }
}

function sendResult(reply: Reply): SendResult {
  if (reply === null) return { kind: 'deferred', retryMs: null }
  if (reply.type === 'ack') return { kind: 'acked', ack: reply }
  if (reply.retry_after_ms !== undefined) return { kind: 'deferred', retryMs: reply.retry_after_ms }
  if (isTransientCode(reply.code)) return { kind: 'deferred', retryMs: RETRY_MS }
  return { kind: 'refused', code: reply.code }
}
