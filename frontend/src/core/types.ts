// The objects and frames of the API, as types. tests/contract.test.ts compares them with the server's
// description.

export interface User {
  user_id: number
  username: string
  full_name: string
  profile_picture: string | null
  public_key?: string | null
  created_at?: string
}

export type MessageKind = 'text' | 'join' | 'leave' | 'rename'

/** The message that another one replies to, as it is now. */
export interface Reply {
  message_id: number
  seq: number
  sender_id: number | null
  /** The first 200 code points; null once deleted. */
  content: string | null
  deleted: boolean
}

/** The first author of a forwarded text. */
export interface ForwardedFrom {
  /** Null once that account was deleted; then the name is empty. */
  user_id: number | null
  full_name: string
}

export interface Reaction {
  emoji: string
  count: number
  /** The first 20, in the order of reacting. */
  user_ids: number[]
  mine: boolean
}

export interface Message {
  message_id: number
  chat_id: number
  seq: number
  mod: number
  /** The user who acted; null after that account was deleted. */
  sender_id: number | null
  kind: MessageKind
  content?: string | null
  /** Of a join or leave: the member. */
  user_id?: number | null
  /** Of a rename: the new name. */
  name?: string
  sent_at: string
  edited_at?: string | null
  deleted?: boolean
  reply?: Reply | null
  /** The first message of the thread; null if this is no reply. */
  thread_id?: number | null
  /** How many messages reply to it. Not in pushes and in the last message of a chat. */
  replies?: number
  mentions?: number[]
  mentions_all?: boolean
  forwarded_from?: ForwardedFrom | null
  pinned?: boolean
  /** Not in pushes and in the last message of a chat. */
  reactions?: Reaction[]
  client_id?: string
  /** Page only. The `reaction` frames that `reactions` contains beyond the version that was read, whose mod is `mod`. */
  reacted?: { mod: number; changes: readonly ReactionChange[] }
  /** Page only. True if known from a `deleted` frame alone: the sender is not known. */
  partial?: true
}

/** A message that a search has found. */
export interface FoundMessage extends Message {
  /** Where the terms are in the content: start and length in UTF-16 code units, ascending. */
  highlights: [number, number][]
}

/** A page of a search. */
export interface FoundMessages {
  messages: FoundMessage[]
  /** Of the next page; null if nothing older is left. */
  cursor: string | null
  /** Down to when everything was searched; null: to the beginning. */
  searched_to: string | null
  /** True if older messages are not indexed yet. */
  incomplete: boolean
}

/** The last message of a chat in a list: its content may be cut. */
export interface LastMessage extends Message {
  cut?: true
  /** In a group; empty if the account was deleted. */
  sender_name?: string
}

export type Role = 'owner' | 'admin' | 'member'
/** Who may do something in a group; `admins` includes the owner. */
export type Permitted = 'all' | 'admins'

export interface Chat {
  chat_id: number
  kind: 'direct' | 'group'
  name: string
  last_seq: number
  last_mod: number
  read_seq: number
  unread: number
  last_message: LastMessage | null
  peer: User | null
  peer_read_seq: number | null
  owner_id: number | null
  /** The user's role in a group; null in a direct chat, as what follows. */
  role: Role | null
  description: string | null
  picture: string | null
  posting: Permitted | null
  adding: Permitted | null
  member_count: number
  /** Page only. The order of the chats: the one with the highest number had the latest message. */
  activity?: number | undefined
}

export interface Member {
  user_id: number
  username: string
  full_name: string
  joined_at: string
  read_seq: number
  role: Role
}

export interface Group {
  group_id: number
  name: string
  owner_id: number | null
  created_at: string
  /** The first members, by standing. */
  members: Member[]
  member_count: number
  description: string | null
  picture: string | null
  posting: Permitted
  adding: Permitted
  /** Page only. True if the roles of others may have changed since it was read. */
  stale?: boolean
  /** Requests the members that follow; null if there are none. */
  next: string | null
}

/** What the owner and the admins change in a group. */
export interface GroupChange {
  name?: string
  description?: string | null
  posting?: Permitted
  adding?: Permitted
}

/** An invite link to a group. */
export interface Invite {
  code: string
  expires_at: string | null
  max_uses: number | null
  uses: number
  created_by: number | null
}

/** A group as the holder of an invite link sees it. */
export interface InvitedGroup {
  group_id: number
  name: string
  picture: string | null
  member_count: number
  /** True if the user is a member. */
  joined: boolean
}

export interface Presence {
  user_id: number
  online: boolean
  last_seen_at: string | null
}

export type ClientFrame =
  | { type: 'send'; id: string; receiver_id: number; content: string; reply_to?: number }
  | { type: 'react'; id: string; message_id: number; emoji: string; on: boolean }
  | { type: 'typing'; chat_id: number; is_typing: boolean }
  | { type: 'read'; chat_id: number; seq: number }
  | { type: 'sync'; epoch?: string; after: Record<string, number> }
  | { type: 'presence'; watch: number[] }
  | { type: 'ping' }

export interface Ack {
  type: 'ack'
  id?: string
  message_id: number
  chat_id: number
  seq: number
  mod: number
  sent_at?: string
  duplicate?: boolean
}

export interface ErrorFrame {
  type: 'error'
  id?: string
  code: string
  detail?: string
  retry_after_ms?: number
}

/** What a `reaction` frame says. */
export interface ReactionChange {
  mod: number
  user_id: number
  emoji: string
  on: boolean
}

export interface ReactionFrame {
  type: 'reaction'
  chat_id: number
  message_id: number
  seq: number
  mod: number
  user_id: number
  emoji: string
  on: boolean
}

export interface PinnedFrame {
  type: 'pinned'
  chat_id: number
  message_id: number
  seq: number
  mod: number
  user_id: number
  pinned: boolean
}

export interface Deleted {
  type: 'deleted'
  chat_id: number
  message_id: number
  seq: number
  mod: number
}

export type ServerFrame =
  | { type: 'ready'; user_id: number; session_id: string; server_time: string; epoch: string }
  | Ack
  | ErrorFrame
  | Deleted
  | ReactionFrame
  | PinnedFrame
  | ({ type: 'message' } & Message)
  | ({ type: 'edited' } & Message)
  | { type: 'typing'; chat_id: number; user_id: number; is_typing: boolean }
  | { type: 'read'; chat_id: number; user_id: number; seq: number }
  | ({ type: 'presence' } & Presence)
  | ({ type: 'chat' } & Chat)
  | { type: 'chat_removed'; chat_id: number }
  | {
      type: 'messages'
      chat_id: number
      messages: Message[]
      read_seq: number
      more: boolean
      reset?: true
    }
  | { type: 'synced' }
  | { type: 'resync'; epoch?: string }
  | { type: 'pong' }
