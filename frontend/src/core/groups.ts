// Groups with their members. Owns `groups`.

import type { Api } from './api'
import type { ChatList } from './chat_list'
import type { People } from './people'
import type { PresenceWatch } from './presence'
import { withEntry, withoutEntry, type AppStore } from './state'
import type { Chat, Group, Member } from './types'

export interface GroupsHandlers {
  /** The user left this group. */
  left(groupId: number): void
  /** A group was created and is not in the chat list yet. */
  notListed(): void
}

export class Groups {
  constructor(
    private readonly store: AppStore,
    private readonly api: Api,
    private readonly people: People,
    private readonly chats: ChatList,
    private readonly presence: PresenceWatch,
    private readonly handlers: GroupsHandlers,
  ) {}

  /** Creates a group with the given members and returns its id. */
  async create(name: string, userIds: readonly number[]): Promise<number> {
    const group = await this.api.createGroup(name)
    this.put(group)
    await this.addMembers(group.group_id, userIds)
    if (this.chats.get(group.group_id) === undefined) this.handlers.notListed()
    return group.group_id
  }

  async addMembers(groupId: number, userIds: readonly number[]): Promise<void> {
    try {
      for (const userId of userIds) await this.api.addToGroup(groupId, userId)
    } finally {
      await this.load(groupId)
    }
  }

  async removeMember(groupId: number, userId: number): Promise<void> {
    await this.api.removeFromGroup(groupId, userId)
    await this.load(groupId)
  }

  async rename(groupId: number, name: string): Promise<void> {
    await this.api.renameGroup(groupId, name)
    await this.load(groupId)
  }

  async leave(groupId: number): Promise<void> {
    await this.api.leaveGroup(groupId)
    this.handlers.left(groupId)
  }

  /** Reads a group with its first members. If that fails, the last known state is kept. */
  async load(id: number): Promise<void> {
    let group: Group
    try {
      group = await this.api.group(id)
    } catch {
      return // The server sends `chat_removed` for a group that no longer exists.
    }
    this.addProfiles(group.members)
    this.put(group)
    this.chats.update(id, (chat) => ({
      ...chat,
      name: group.name,
      owner_id: group.owner_id,
      member_count: group.member_count,
    }))
    this.presence.update()
  }

  /** Reads the members that follow those that are known. */
  async loadMore(id: number): Promise<void> {
    const next = this.store.getState().groups.get(id)?.next
    if (next == null) return
    const page = await this.api.group(id, next)
    const group = this.store.getState().groups.get(id)
    if (group?.next !== next) return
    this.addProfiles(page.members)
    this.put({ ...page, members: [...group.members, ...page.members] })
  }

  private addProfiles(members: readonly Member[]): void {
    const { people } = this.store.getState()
    this.people.add(
      ...members.map(({ user_id, username, full_name }) => ({
        user_id,
        username,
        full_name,
        profile_picture: people.get(user_id)?.profile_picture ?? null,
      })),
    )
  }

  /** A `chat` frame carries the name and the owner. */
  summaryChanged({ chat_id, name, owner_id }: Chat): void {
    const group = this.store.getState().groups.get(chat_id)
    if (group !== undefined) this.put({ ...group, name, owner_id })
  }

  /** A member has read up to `seq`. */
  memberRead(groupId: number, userId: number, seq: number): void {
    const group = this.store.getState().groups.get(groupId)
    const member = group?.members.find((m) => m.user_id === userId)
    if (group === undefined || member === undefined || member.read_seq >= seq) return
    const members = group.members.map((m) => (m === member ? { ...m, read_seq: seq } : m))
    this.put({ ...group, members })
  }

  remove(id: number): void {
    this.store.setState({ groups: withoutEntry(this.store.getState().groups, id) })
  }

  private put(group: Group): void {
    this.store.setState({ groups: withEntry(this.store.getState().groups, group.group_id, group) })
  }
}
