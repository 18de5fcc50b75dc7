// Groups with their members. Owns `groups`.

import type { Api } from './api'
import type { ChatList } from './chat_list'
import type { People } from './people'
import type { PresenceWatch } from './presence'
import { withEntry, withoutEntry, type AppStore } from './state'
import type { Chat, Group, GroupChange, Invite, InvitedGroup, Member, Message, Role, User } from './types'

export interface GroupsHandlers {
  /** The user left this group. */
  left(groupId: number): void
  /** A group was created or joined and is not in the chat list yet. */
  notListed(): void
}

/** What a `chat` frame or a list has of a group. */
const summaryOf = ({ name, owner_id, description, picture, posting, adding }: Chat | Group) => ({
  name,
  owner_id,
  description,
  picture,
  posting: posting ?? 'all',
  adding: adding ?? 'all',
})

export class Groups {
  constructor(
    private readonly store: AppStore,
    private readonly api: Api,
    private readonly people: People,
    private readonly chats: ChatList,
    private readonly presence: PresenceWatch,
    private readonly handlers: GroupsHandlers,
  ) {}

  /** Creates a group without other members and returns its id. */
  async create(name: string): Promise<number> {
    return this.entered(await this.api.createGroup(name))
  }

  /** Joins a group by an invite link and returns its id. */
  async join(code: string): Promise<number> {
    return this.entered(await this.api.join(code))
  }

  private entered(group: Group): number {
    this.put(group)
    if (this.chats.get(group.group_id) === undefined) this.handlers.notListed()
    return group.group_id
  }

  /** The group of an invite link. */
  invited(code: string): Promise<InvitedGroup> {
    return this.api.invitedGroup(code)
  }

  async invites(groupId: number): Promise<Invite[]> {
    return (await this.api.invites(groupId)).invites
  }

  createInvite(groupId: number, expiresIn: number | null, maxUses: number | null): Promise<Invite> {
    return this.api.createInvite(groupId, { expires_in: expiresIn, max_uses: maxUses })
  }

  endInvite(groupId: number, code: string): Promise<void> {
    return this.api.endInvite(groupId, code)
  }

  async bans(groupId: number): Promise<User[]> {
    const { users } = await this.api.bans(groupId)
    this.people.add(...users)
    return users
  }

  async ban(groupId: number, userId: number): Promise<void> {
    await this.api.ban(groupId, userId)
    this.withoutMember(groupId, userId)
  }

  unban(groupId: number, userId: number): Promise<void> {
    return this.api.unban(groupId, userId)
  }

  async setRole(groupId: number, userId: number, role: Role): Promise<void> {
    await this.api.setRole(groupId, userId, role)
    await this.load(groupId)
  }

  /** Adds each of these users. Returns the errors of those who could not be added. */
  async addMembers(groupId: number, userIds: readonly number[]): Promise<ReadonlyMap<number, unknown>> {
    const errors = new Map<number, unknown>()
    for (const userId of userIds)
      try {
        await this.api.addToGroup(groupId, userId)
      } catch (error) {
        errors.set(userId, error)
      }
    return errors
  }

  async removeMember(groupId: number, userId: number): Promise<void> {
    await this.api.removeFromGroup(groupId, userId)
    this.withoutMember(groupId, userId)
  }

  async edit(groupId: number, change: GroupChange): Promise<void> {
    const group = await this.api.changeGroup(groupId, change)
    this.change(groupId, (known) => ({ ...known, ...summaryOf(group) }))
    this.chats.update(groupId, (chat) => ({ ...chat, ...summaryOf(group) }))
  }

  async leave(groupId: number): Promise<void> {
    await this.api.leaveGroup(groupId)
    this.handlers.left(groupId)
  }

  /**
   * Reads a group with its first members, and with as many more as are known: a list that was expanded stays
   * expanded. If that fails, the last known state is kept.
   */
  async load(id: number): Promise<void> {
    const shown = this.store.getState().groups.get(id)?.members.length ?? 0
    let group: Group
    try {
      group = await this.api.group(id)
      while (group.next !== null && group.members.length < shown) {
        const page = await this.api.group(id, group.next)
        group = { ...page, members: [...group.members, ...page.members] }
      }
    } catch {
      return // The server sends `chat_removed` for a group that no longer exists.
    }
    this.addProfiles(group.members)
    this.put(group)
    this.chats.update(id, (chat) => ({
      ...chat,
      ...summaryOf(group),
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

  /** A `chat` frame has all of a group but the roles of others. */
  summaryChanged(chat: Chat): void {
    this.change(chat.chat_id, (group) => ({ ...group, ...summaryOf(chat), stale: true }))
  }

  /** A join or leave was pushed. The number of members is a part of the chat, and the rest of a group comes with a `chat` frame. */
  membersChanged({ chat_id, kind, user_id, seq, sent_at }: Message): void {
    if (user_id == null) return
    if (kind === 'leave') this.withoutMember(chat_id, user_id)
    if (kind !== 'join') return
    const person = this.store.getState().people.get(user_id)
    this.change(chat_id, (group) => {
      // The last page, on which a new member is, may not be loaded yet.
      if (group.next !== null || group.members.some((m) => m.user_id === user_id)) return group
      const member: Member = {
        user_id,
        username: person?.username ?? '',
        full_name: person?.full_name ?? '',
        joined_at: sent_at,
        read_seq: seq,
        role: 'member',
      }
      return { ...group, members: [...group.members, member] }
    })
    this.presence.update()
  }

  /** A member has read up to `seq`. */
  memberRead(groupId: number, userId: number, seq: number): void {
    const isNews = (member: Member) => member.user_id === userId && member.read_seq < seq
    this.change(groupId, (group) =>
      group.members.some(isNews)
        ? { ...group, members: group.members.map((m) => (isNews(m) ? { ...m, read_seq: seq } : m)) }
        : group,
    )
  }

  private withoutMember(groupId: number, userId: number): void {
    this.change(groupId, (group) => ({
      ...group,
      members: group.members.filter((member) => member.user_id !== userId),
    }))
  }

  remove(id: number): void {
    this.store.setState({ groups: withoutEntry(this.store.getState().groups, id) })
  }

  /** Changes a group that is known. */
  private change(id: number, change: (group: Group) => Group): void {
    const group = this.store.getState().groups.get(id)
    if (group === undefined) return
    const changed = change(group)
    if (changed !== group) this.put(changed)
  }

  private put(group: Group): void {
    this.store.setState({ groups: withEntry(this.store.getState().groups, group.group_id, group) })
  }
}
