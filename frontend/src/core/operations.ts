// What the user does to messages: send, edit, delete, react, pin, mark as read. Owns `outbox`.

import { ApiError, type Api } from './api'
import { withAnswer, withMessage, withRead } from './chat'
import type { ChatList } from './chat_list'
import { isTransientCode, type Connection, type Reply } from './connection'
import type { Environment } from './environment'
import { applyAck, applyMessage, applyReaction, liveMessages, messageAt } from './history'
import type { Change, Operation, Outgoing, QueuedReaction } from './operation'
import { Outbox, type Result } from './outbox'
import { plainEmoji } from './reactions'
import { quoteOf, threadOf } from './replies'
import { myId, type AppStore } from './state'
import type { Timeline } from './timeline'
import type { Ack, Message, ReactionChange } from './types'

const RETRY_MS = 2_000

export interface OperationsHandlers {
  /** A message was sent to a chat that is not in the list. */
  chatNotListed(id: number, mod: number): void
  /** The server has this version of a message. */
  stored(message: Message): void
  /** A reaction of the user was stored, to the message at `seq`. */
  reacted(chatId: number, seq: number, change: ReactionChange): void
  unauthorized(): void
}

export class Operations {
  private outbox: Outbox | null = null
  private readonly api: Api

  constructor(
    private readonly store: AppStore,
    private readonly env: Environment,
    private readonly connection: Connection,
    private readonly chats: ChatList,
    private readonly timeline: Timeline,
    private readonly handlers: OperationsHandlers,
  ) {
    this.api = env.api
  }

  /** Opens the outbox of a user. */
  async open(userId: number): Promise<void> {
    this.outbox = new Outbox(
      await this.env.openOutbox(userId),
      {
        perform: (operation) => this.perform(operation),
        isConnected: () => {
          const { socket, polling } = this.store.getState()
          return socket === 'ready' || polling
        },
        epoch: () => this.store.getState().epoch,
        deletionDropped: () => this.env.warn('deletion_dropped'),
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

  /** `to`: the message that this one replies to. */
  send(chatId: number, content: string, to?: Message): void {
    const reply = to === undefined ? {} : { reply: quoteOf(to), thread_id: threadOf(to) }
    void this.outbox?.add({ kind: 'send', chat_id: chatId, content, ...reply })
  }

  /** Sends copies of a text to chats. */
  forward(message: Message, chatIds: readonly number[]): void {
    const { message_id, sender_id, content } = message
    const name = sender_id === null ? '' : (this.store.getState().people.get(sender_id)?.full_name ?? '')
    const from = message.forwarded_from ?? { user_id: sender_id, full_name: name }
    for (const chat_id of chatIds)
      void this.outbox?.add({ kind: 'send', chat_id, content: content ?? '', forward: { message_id, from } })
  }

  /** Repeats a refused operation. */
  retry(clientId: string): void {
    void this.outbox?.retry(clientId)
  }

  /** Gives up an operation that the server has not acknowledged. */
  discard(clientId: string): void {
    void this.outbox?.discard(clientId)
  }

  /** Changes a stored message, or one that is queued. The last of several changes is the one that stays. */
  async edit(message: Message | Outgoing, content: string): Promise<void> {
    if ('message_id' in message) return this.change({ kind: 'edit', ...idsOf(message), content })
    if (await this.outbox?.edit(message.client_id, content)) return
    // The server has it by now, or may have it.
    const stored = liveMessages(this.timeline.get(message.chat_id)).findLast(
      ({ client_id }) => client_id === message.client_id,
    )
    if (stored === undefined) throw new ApiError(0, 'being_sent')
    this.change({ kind: 'edit', ...idsOf(stored), content })
  }

  async delete(message: Message): Promise<void> {
    this.change({ kind: 'delete', ...idsOf(message) })
  }

  /** Adds or removes an own reaction. */
  react(message: Message, emoji: string, on: boolean): void {
    const { seq } = message
    void this.outbox?.add({ kind: 'react', ...idsOf(message), seq, emoji: plainEmoji(emoji), on })
  }

  pin(message: Message, on: boolean): void {
    void this.outbox?.add({ kind: 'pin', ...idsOf(message), on })
  }

  /** Queues a change. It replaces the refused ones of the same message. */
  private change(change: Parameters<Outbox['add']>[0] & Pick<Change, 'message_id'>): void {
    for (const queued of this.store.getState().outbox)
      if (
        (queued.kind === 'edit' || queued.kind === 'delete') &&
        queued.message_id === change.message_id &&
        queued.refused !== undefined
      )
        this.discard(queued.client_id)
    void this.outbox?.add(change)
  }

  // ---- Carrying out -------------------------------------------------------------------------

  private async perform(operation: Operation): Promise<Result> {
    try {
      if (operation.kind === 'send') return await this.performSend(operation)
      if (operation.kind === 'react') return await this.performReaction(operation)
      if (operation.kind === 'edit')
        this.changed(await this.api.editMessage(operation.message_id, operation.content))
      else if (operation.kind === 'pin') await this.api.pin(operation.message_id, operation.on)
      else if (operation.kind === 'delete') {
        await this.api.deleteMessage(operation.message_id)
        this.deleted(operation)
      }
      return { kind: 'done' }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      // What is not there is deleted.
      if (operation.kind === 'delete' && error.status === 404) return { kind: 'done' }
      return this.settled(operation, this.failed(error))
    }
  }

  /** A reaction or a pin that the server refused does not stay in the outbox: the user sees a notice. */
  private settled({ kind }: Operation, result: Result): Result {
    if (result.kind !== 'refused' || (kind !== 'react' && kind !== 'pin')) return result
    // What was to be changed is gone.
    if (result.code !== 'no_such_message') this.env.warn(kind === 'react' ? 'reaction_refused' : 'pin_refused')
    return { kind: 'done' }
  }

  private async performReaction(operation: QueuedReaction): Promise<Result> {
    const { client_id: id, chat_id, message_id, seq, emoji, on } = operation
    if (this.store.getState().polling) {
      await this.api.react(message_id, emoji, on)
      this.changed(await this.api.message(chat_id, message_id))
      return { kind: 'done' }
    }
    const reply = await this.connection.request({ type: 'react', id, message_id, emoji, on })
    const me = myId(this.store)
    if (reply?.type === 'ack') {
      const change = { mod: reply.mod, user_id: me, emoji, on }
      this.timeline.apply(chat_id, (history) => applyReaction(history, seq, change, me))
      this.handlers.reacted(chat_id, seq, change)
    }
    return this.settled(operation, sendResult(reply))
  }

  private failed(error: ApiError): Result {
    if (error.status === 401) {
      this.handlers.unauthorized()
      return { kind: 'deferred', retryMs: null }
    }
    if (error.transient && error.code !== 'internal')
      return { kind: 'deferred', retryMs: error.retryAfterMs ?? RETRY_MS }
    return { kind: 'refused', code: error.code }
  }

  /** A new version of a message. Its push may be on its way. */
  private changed(message: Message): void {
    this.chats.update(message.chat_id, (chat) => withAnswer(chat, message, myId(this.store)))
    if (this.timeline.get(message.chat_id) !== undefined)
      this.timeline.apply(message.chat_id, (history) => applyMessage(history, message))
    this.handlers.stored(message)
  }

  private deleted({ chat_id, message_id }: Change): void {
    const known = this.timeline
      .get(chat_id)
      ?.segments.flatMap(({ messages }) => messages)
      .find((message) => message.message_id === message_id)
    if (known !== undefined) this.changed({ ...known, content: null, deleted: true })
  }

  private async performSend(entry: Outgoing): Promise<Result> {
    const { client_id: id, chat_id: receiver_id, content } = entry
    if (this.store.getState().polling || entry.forward !== undefined) return this.sendOverHttp(entry)
    const frame = { type: 'send', id, receiver_id, content, ...replyTo(entry) } as const
    const reply = await this.connection.request(frame)
    if (reply?.type === 'ack') this.acked(entry, reply)
    return sendResult(reply)
  }

  private async sendOverHttp(entry: Outgoing): Promise<Result> {
    const { client_id, chat_id, content, forward } = entry
    const message = await (forward === undefined
      ? this.api.sendMessage({ receiver_id: chat_id, content, client_id, ...replyTo(entry) })
      : this.api.forwardMessage(forward.message_id, chat_id, client_id))
    this.changed(message)
    if (this.chats.get(chat_id) === undefined) this.handlers.chatNotListed(chat_id, message.mod)
    return { kind: 'done' }
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
      reply: entry.reply ?? null,
      thread_id: entry.thread_id ?? null,
      client_id: entry.client_id,
    }
    // The message of a repeated send may have been edited or deleted since it was stored.
    const stored = ack.duplicate === true ? null : message
    const listed = this.chats.update(ack.chat_id, (chat) =>
      stored === null ? chat : withMessage(chat, stored, myId(this.store)),
    )
    if (!listed) this.handlers.chatNotListed(ack.chat_id, ack.mod)
    this.timeline.apply(ack.chat_id, (history) => applyAck(history, stored, ack.mod))
    if (stored === null) void this.reload(ack.chat_id, ack.seq)
    else this.handlers.stored(stored)
  }

  /** Reads one message from the server. */
  private async reload(chatId: number, seq: number): Promise<void> {
    try {
      const { messages } = await this.api.messages(chatId, { before: seq + 1, limit: 1 })
      for (const message of messages) this.changed(message)
    } catch {
      // The next page or sync brings it.
    }
  }

  /** Removes from the outbox what the server has: `messages` were received from it. */
  confirm(messages: readonly Message[]): void {
    for (const { client_id } of messages)
      if (client_id !== undefined) void this.outbox?.confirm(client_id)
  }

  // ---- Reading ------------------------------------------------------------------------------

  /** Marks everything up to `seq` as read. */
  read(chatId: number, seq: number): void {
    const chat = this.chats.get(chatId)
    if (chat === undefined || seq <= chat.read_seq) return
    const me = myId(this.store)
    const history = this.timeline.get(chatId)
    this.chats.update(chatId, (known) => withRead(known, me, seq, me, history))
    // If the frame is lost or cannot be stored, sync sends it again after the next chat list.
    if (this.connection.send({ type: 'read', chat_id: chatId, seq })) return
    const message = messageAt(history, seq)
    if (message !== undefined && this.store.getState().polling)
      this.api.markRead(message.message_id).catch(() => {})
  }

  setTyping(chatId: number, isTyping: boolean): void {
    this.connection.send({ type: 'typing', chat_id: chatId, is_typing: isTyping })
  }
}

const replyTo = ({ reply }: Outgoing) => (reply === undefined ? {} : { reply_to: reply.message_id })

const idsOf = ({ chat_id, message_id }: Message) => ({ chat_id, message_id })

function sendResult(reply: Reply): Result {
  if (reply === null) return { kind: 'deferred', retryMs: null }
  if (reply.type === 'ack') return { kind: 'done' }
  if (reply.retry_after_ms !== undefined) return { kind: 'deferred', retryMs: reply.retry_after_ms }
  if (isTransientCode(reply.code)) return { kind: 'deferred', retryMs: RETRY_MS }
  return { kind: 'refused', code: reply.code }
}
