// The HTTP requests of the API, typed. Every failure is an ApiError.

import { searchParameters, type MessageQuery } from './message_search'
import type { Chat, FoundMessages, Group, GroupChange, Invite, InvitedGroup, Message, Role, User } from './types'

export interface FieldError {
  field: string
  detail: string
}

/**
 * A failed request. `code` is the server's error code, or one of: `unreachable` (no response),
 * `timeout`, `http_<status>` (a response without a code). `status` is 0 without a response.
 */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly fields: FieldError[] = [],
    readonly retryAfterMs: number | null = null,
  ) {
    super(code)
    this.name = 'ApiError'
  }

  /** True if the request may succeed later without a change. */
  get transient(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

const TIMEOUT_MS = 20_000

type Fetch = (input: string, init?: RequestInit) => Promise<Response>

export class Api {
  constructor(private readonly fetchFn: Fetch = (input, init) => fetch(input, init)) {}

  register = (body: {
    username: string
    full_name: string
    password: string
    profile_picture?: string
  }) => this.call<User>('POST', '/users/register', body)

  login = (username: string, password: string) =>
    this.call<{ user: User }>('POST', '/users/login', { username, password, cookie: true })

  logout = () => this.call<void>('POST', '/users/logout', {})
  me = () => this.call<User>('GET', '/users/me')
  updateMe = (body: { full_name?: string; profile_picture?: string | null }) =>
    this.call<User>('PATCH', '/users/me', body)
  changePassword = (old_password: string, new_password: string) =>
    this.call<void>('PUT', '/users/me/password', { old_password, new_password })
  deleteUser = (userId: number) => this.call<void>('DELETE', `/users/delete_user/${userId}`)
  searchUsers = (q: string, limit = 20) =>
    this.call<{ users: User[] }>('GET', `/users/search?q=${encodeURIComponent(q)}&limit=${limit}`)
  username = (userId: number) =>
    this.call<{ user_id: number; username: string; full_name: string }>(
      'GET',
      `/users/username/${userId}`,
    )

  /** A page of the chats, the one with the latest activity first. `after` is the `next` of the page before. */
  chats = (limit: number, after: string | null) =>
    this.call<{ chats: Chat[]; next: string | null }>(
      'GET',
      `/chats?limit=${limit}${after === null ? '' : `&after=${encodeURIComponent(after)}`}`,
    )
  messages = (chatId: number, query: { before?: number; after?: number; limit?: number; thread?: number }) =>
    this.call<{ messages: Message[]; more: boolean }>(
      'GET',
      `/messages/${chatId}?${new URLSearchParams(
        Object.entries(query).map(([name, value]) => [name, String(value)]),
      )}`,
    )
  sendMessage = (body: { receiver_id: number; content: string; client_id: string; reply_to?: number }) =>
    this.call<Message>('POST', '/messages/send_message', body)
  forwardMessage = (message_id: number, receiver_id: number, client_id: string) =>
    this.call<Message>('POST', '/messages/forward', { message_id, receiver_id, client_id })
  markRead = (...message_ids: number[]) => this.call<void>('PUT', '/messages/read', { message_ids })
  /** At most half of `limit` before `seq` and the rest from it on, oldest first. */
  messagesAround = (chatId: number, seq: number, limit: number) =>
    this.call<{ messages: Message[]; more_before: boolean; more_after: boolean }>(
      'GET',
      `/messages/${chatId}?around=${seq}&limit=${limit}`,
    )
  /** A page of the messages that match, the newest first. `cursor` is that of the page before. */
  searchMessages = (query: MessageQuery, cursor: string | null, signal: AbortSignal) =>
    this.call<FoundMessages>('GET', `/messages/search?${searchParameters(query, cursor)}`, undefined, signal)
  message = (chatId: number, messageId: number) =>
    this.call<Message>('GET', `/messages/${chatId}/${messageId}`)
  editMessage = (messageId: number, content: string) =>
    this.call<Message>('PATCH', `/messages/${messageId}`, { content })
  deleteMessage = (messageId: number) => this.call<void>('DELETE', `/messages/${messageId}`)

  react = (messageId: number, emoji: string, on: boolean) =>
    this.call<void>(on ? 'PUT' : 'DELETE', `/messages/${messageId}/reactions/${encodeURIComponent(emoji)}`)
  pin = (messageId: number, on: boolean) => this.call<void>(on ? 'PUT' : 'DELETE', `/messages/${messageId}/pin`)
  /** The pinned messages of a chat, latest pinned first. */
  pins = (chatId: number) => this.call<{ messages: Message[] }>('GET', `/chats/${chatId}/pins`)

  createGroup = (name: string) => this.call<Group>('POST', '/groups/create_group', { name })
  /** A group with a page of its members. */
  group = (groupId: number, after: string | null = null) =>
    this.call<Group>('GET', `/groups/${groupId}${afterQuery(after)}`)
  changeGroup = (groupId: number, change: GroupChange) =>
    this.call<Group>('PATCH', `/groups/${groupId}`, change)
  addToGroup = (group_id: number, user_id: number) =>
    this.call<void>('POST', '/groups/add_user_to_group', { group_id, user_id })
  removeFromGroup = (group_id: number, user_id: number) =>
    this.call<void>('POST', '/groups/remove_user_from_group', { group_id, user_id })
  leaveGroup = (group_id: number) => this.call<void>('POST', '/groups/leave_group', { group_id })
  setRole = (groupId: number, userId: number, role: Role) =>
    this.call<void>('PUT', `/groups/${groupId}/members/${userId}/role`, { role })
  bans = (groupId: number) => this.call<{ users: User[] }>('GET', `/groups/${groupId}/bans`)
  ban = (groupId: number, userId: number) => this.call<void>('PUT', `/groups/${groupId}/bans/${userId}`)
  unban = (groupId: number, userId: number) =>
    this.call<void>('DELETE', `/groups/${groupId}/bans/${userId}`)
  invites = (groupId: number) => this.call<{ invites: Invite[] }>('GET', `/groups/${groupId}/invites`)
  createInvite = (groupId: number, limits: { expires_in: number | null; max_uses: number | null }) =>
    this.call<Invite>('POST', `/groups/${groupId}/invites`, limits)
  endInvite = (groupId: number, code: string) =>
    this.call<void>('DELETE', `/groups/${groupId}/invites/${code}`)
  invitedGroup = (code: string) => this.call<InvitedGroup>('GET', `/invites/${code}`)
  join = (code: string) => this.call<Group>('POST', `/invites/${code}/join`)

  /** `signal` aborts the request, which then has no time limit. */
  private async call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    let response: Response
    try {
      response = await this.fetchFn(path, {
        method,
        credentials: 'same-origin',
        cache: 'no-store',
        signal: signal ?? AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          Accept: 'application/json',
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch (error) {
      const timedOut = error instanceof DOMException && error.name === 'TimeoutError'
      throw new ApiError(0, timedOut ? 'timeout' : 'unreachable')
    }
    if (!response.ok) throw await toApiError(response)
    if (response.status === 204) return undefined as T
    try {
      return (await response.json()) as T
    } catch {
      // Truncated, or the page of a captive portal: not a response of the server.
      throw new ApiError(0, 'unreachable')
    }
  }
}

const afterQuery = (after: string | null) =>
  after === null ? '' : `?after=${encodeURIComponent(after)}`

async function toApiError(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null)
  const record = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const code = typeof record.code === 'string' ? record.code : `http_${response.status}`
  const fields = Array.isArray(record.errors) ? (record.errors as FieldError[]) : []
  const seconds = Number(response.headers.get('Retry-After') ?? NaN)
  return new ApiError(
    response.status,
    code,
    fields,
    Number.isFinite(seconds) ? seconds * 1000 : null,
  )
}
