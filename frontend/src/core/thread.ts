// The thread on the screen: its first message and the replies. Owns `thread`. The messages of the thread that the chat has
// loaded are here a second time, because a thread may reach further back than what is loaded.

import { ApiError, type Api } from './api'
import { withPinned } from './history'
import { mergeMessages } from './merging'
import { withReactionChange } from './reactions'
import { relationsOf, withRelations, type Thread } from './replies'
import { myId, type AppStore } from './state'
import type { Deleted, Message, PinnedFrame, ReactionChange } from './types'

const PAGE = 50

export interface ThreadHandlers {
  /** A page was loaded. */
  loaded(messages: readonly Message[]): void
}

export class ThreadView {
  constructor(
    private readonly store: AppStore,
    private readonly api: Api,
    private readonly handlers: ThreadHandlers,
  ) {}

  /** Shows the thread of a message. `known`: what is loaded of it. */
  open(chatId: number, messageId: number, known: readonly Message[]): void {
    const thread: Thread = {
      chat_id: chatId,
      message_id: messageId,
      messages: [],
      more: false,
      state: 'loading',
    }
    this.store.setState({ thread: { ...thread, messages: known.filter((one) => belongsTo(thread, one)) } })
    void this.load(null)
  }

  close(): void {
    this.store.setState({ thread: null })
  }

  /** Loads the newest messages again: some may be missing after an interruption. */
  refresh(): void {
    if (this.store.getState().thread !== null) void this.load(null)
  }

  /** Loads earlier replies. */
  loadEarlier(): void {
    const thread = this.store.getState().thread
    if (thread === null || thread.state === 'loading') return
    void this.load(oldestReply(thread)?.seq ?? null)
  }

  private async load(before: number | null): Promise<void> {
    const { thread } = this.store.getState()
    if (thread === null) return
    const { chat_id, message_id } = thread
    this.update(message_id, (known) => ({ ...known, state: 'loading' }))
    try {
      const page = await this.api.messages(chat_id, {
        thread: message_id,
        limit: PAGE,
        ...(before === null ? {} : { before }),
      })
      this.update(message_id, (known) => ({
        ...known,
        messages: mergeMessages(known.messages, page.messages),
        more: isOldest(known, page.messages) ? page.more : known.more,
        state: 'loaded',
      }))
      this.handlers.loaded(page.messages)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      this.update(message_id, (known) => ({ ...known, state: 'failed' }))
    }
  }

  /** New messages, or new versions. */
  received(incoming: readonly Message[]): void {
    const { thread } = this.store.getState()
    if (thread === null) return
    const ours = incoming.filter((message) => belongsTo(thread, message))
    if (ours.length === 0) return
    const relations = relationsOf(ours, () => false)
    this.update(thread.message_id, (known) => ({
      ...known,
      messages: withRelations(mergeMessages(known.messages, ours), relations),
    }))
  }

  /** A `deleted` push. */
  deleted({ chat_id, message_id, mod }: Deleted): void {
    const known = this.store.getState().thread
    const message = known?.messages.find((one) => one.message_id === message_id && one.chat_id === chat_id)
    if (message !== undefined) this.received([{ ...message, content: null, deleted: true, mod }])
  }

  /** A reaction to the message at `seq`: a push, or the ack of an own one. */
  reacted(chatId: number, seq: number, reaction: ReactionChange): void {
    this.change(chatId, seq, (message) => withReactionChange(message, reaction, myId(this.store)))
  }

  /** A `pinned` push. */
  pinned(frame: PinnedFrame): void {
    this.change(frame.chat_id, frame.seq, (message) => withPinned(message, frame))
  }

  private change(chatId: number, seq: number, change: (message: Message) => Message): void {
    const { thread } = this.store.getState()
    if (thread?.chat_id !== chatId || !thread.messages.some((one) => one.seq === seq)) return
    const messages = thread.messages.map((one) => (one.seq === seq ? change(one) : one))
    this.update(thread.message_id, (known) => ({ ...known, messages }))
  }

  private update(messageId: number, change: (thread: Thread) => Thread): void {
    const { thread } = this.store.getState()
    if (thread?.message_id === messageId) this.store.setState({ thread: change(thread) })
  }
}

const belongsTo = (thread: Thread, { chat_id, message_id, thread_id }: Message) =>
  chat_id === thread.chat_id && (message_id === thread.message_id || thread_id === thread.message_id)

/** The oldest reply that is loaded. */
const oldestReply = ({ messages, message_id }: Thread) =>
  messages.find((message) => message.message_id !== message_id)

/** True if a page, newest first, reaches at least as far back as what is loaded. */
function isOldest(thread: Thread, page: readonly Message[]): boolean {
  const oldest = oldestReply(thread)
  return oldest === undefined || (page.at(-1)?.seq ?? Infinity) <= oldest.seq
}
