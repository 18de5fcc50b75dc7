// What each frame of the server does. Owns no state: it passes the frame to the owner of the state.

import { withDeleted, withMessage, withRead } from './chat'
import type { ChatList } from './chat_list'
import { isTransientCode } from './connection'
import type { Groups } from './groups'
import { applyDeleted, applyPinned, applyPush, applyReaction } from './history'
import type { People } from './people'
import type { Pins } from './pins'
import type { PresenceWatch } from './presence'
import { myId, type AppStore } from './state'
import type { Sync } from './sync'
import type { ThreadView } from './thread'
import type { Timeline } from './timeline'
import type { Chat, Deleted, Message, PinnedFrame, ReactionFrame, ServerFrame } from './types'
import type { Typing } from './typing'

export interface FrameHandlerHooks {
  /** Messages were received. */
  received(messages: readonly Message[]): void
  /** A new message was pushed. */
  notify(message: Message): void
  /** The user is no longer in this chat. */
  removeChat(id: number): void
}

export interface FrameHandlerParts {
  store: AppStore
  chats: ChatList
  timeline: Timeline
  thread: ThreadView
  people: People
  groups: Groups
  pins: Pins
  typing: Typing
  presence: PresenceWatch
  sync: Sync
  hooks: FrameHandlerHooks
}

export class FrameHandler {
  constructor(private readonly parts: FrameHandlerParts) {}

  handle(frame: ServerFrame): void {
    switch (frame.type) {
      case 'ready':
        this.parts.sync.setEpoch(frame.epoch)
        return
      case 'message': {
        const { type: _, ...message } = frame
        this.pushed(message, true)
        if (message.sender_id !== myId(this.parts.store)) this.parts.hooks.notify(message)
        return
      }
      case 'edited': {
        const { type: _, ...message } = frame
        this.pushed(message, false)
        this.parts.pins.messageChanged(message.chat_id, message.message_id)
        return
      }
      case 'deleted':
        this.deleted(frame)
        return
      case 'reaction':
        this.reacted(frame)
        return
      case 'pinned':
        this.pinned(frame)
        return
      case 'error':
        if (isTransientCode(frame.code)) this.parts.sync.failed(frame.retry_after_ms)
        return
      case 'typing':
        this.parts.typing.set(frame.chat_id, frame.user_id, frame.is_typing)
        return
      case 'read':
        this.read(frame.chat_id, frame.user_id, frame.seq)
        return
      case 'presence':
        this.parts.presence.received(frame)
        return
      case 'chat': {
        const { type: _, ...chat } = frame
        this.chatChanged(chat)
        return
      }
      case 'chat_removed':
        this.parts.hooks.removeChat(frame.chat_id)
        return
      case 'messages':
        this.parts.sync.received(frame)
        return
      case 'synced':
        this.parts.sync.completed()
        return
      case 'resync':
        if (frame.epoch !== undefined) this.parts.sync.setEpoch(frame.epoch)
        void this.parts.sync.catchUp()
        return
    }
  }

  private pushed(message: Message, isNew: boolean): void {
    const me = myId(this.parts.store)
    const listed = this.parts.chats.update(message.chat_id, (chat) => withMessage(chat, message, me))
    if (!listed) this.parts.sync.chatNotListed(message.chat_id, message.mod)
    this.parts.timeline.apply(message.chat_id, (history) => applyPush(history, message, isNew))
    this.parts.hooks.received([message])
    if (message.sender_id !== null) this.wrote(message.chat_id, message.sender_id, message.seq)
    this.parts.groups.membersChanged(message)
  }

  /** A message ends its sender's typing indicator, and marks everything before it as read. */
  private wrote(chatId: number, senderId: number, seq: number): void {
    this.parts.typing.set(chatId, senderId, false)
    this.parts.groups.memberRead(chatId, senderId, seq)
  }

  private deleted(frame: Deleted): void {
    const listed = this.parts.chats.update(frame.chat_id, (chat) => withDeleted(chat, frame))
    if (!listed) this.parts.sync.chatNotListed(frame.chat_id, frame.mod)
    this.parts.timeline.apply(frame.chat_id, (history) => applyDeleted(history, frame))
    this.parts.thread.deleted(frame)
    this.parts.pins.messageChanged(frame.chat_id, frame.message_id)
  }

  private reacted(frame: ReactionFrame): void {
    const { chat_id, seq, mod } = frame
    this.parts.chats.update(chat_id, (chat) => ({ ...chat, last_mod: Math.max(chat.last_mod, mod) }))
    this.parts.timeline.apply(chat_id, (history) => applyReaction(history, seq, frame, myId(this.parts.store)))
    this.parts.thread.reacted(chat_id, seq, frame)
  }

  private pinned(frame: PinnedFrame): void {
    const { chat_id, mod } = frame
    this.parts.chats.update(chat_id, (chat) => ({ ...chat, last_mod: Math.max(chat.last_mod, mod) }))
    this.parts.timeline.apply(chat_id, (history) => applyPinned(history, frame))
    this.parts.thread.pinned(frame)
    this.parts.pins.changed(chat_id)
  }

  private read(chatId: number, userId: number, seq: number): void {
    const history = this.parts.timeline.get(chatId)
    const listed = this.parts.chats.update(chatId, (chat) => withRead(chat, userId, seq, myId(this.parts.store), history))
    if (!listed) this.parts.sync.chatNotListed(chatId, Infinity)
    this.parts.groups.memberRead(chatId, userId, seq)
  }

  private chatChanged(chat: Chat): void {
    // Its last_mod does not move the resume point: the pushes up to it may still be on their way.
    this.parts.chats.put(chat)
    if (chat.peer !== null) this.parts.people.add(chat.peer)
    this.parts.groups.summaryChanged(chat)
    this.parts.presence.update()
  }
}
