// The profiles of users. Owns `people`.

import { ApiError, type Api } from './api'
import { isDeletedAccount, type AppStore, type Person } from './state'
import type { Message, User } from './types'

export class People {
  /** Users whose name was requested: each is requested once, unless the request fails. */
  private readonly requested = new Set<number>()

  constructor(
    private readonly store: AppStore,
    private readonly api: Api,
  ) {}

  /** Adds or replaces profiles. */
  add(...users: readonly Person[]): void {
    const people = new Map(this.store.getState().people)
    for (const user of users) people.set(user.user_id, user)
    this.store.setState({ people })
  }

  async search(query: string): Promise<User[]> {
    return (await this.api.searchUsers(query)).users
  }

  /** Requests the names of unknown users who occur in these messages. */
  resolve(messages: readonly Message[]): void {
    for (const { sender_id, user_id } of messages)
      for (const id of [sender_id, user_id]) if (id != null) void this.lookUp(id)
  }

  /** Returns false if there is no such user, or if that is not known yet. */
  async lookUp(userId: number): Promise<boolean> {
    const known = this.store.getState().people.get(userId)
    if (known !== undefined) return !isDeletedAccount(known)
    if (this.requested.has(userId)) return false
    this.requested.add(userId)
    try {
      const names = await this.api.username(userId)
      // A profile with a picture may have arrived meanwhile.
      if (!this.store.getState().people.has(userId)) this.add({ ...names, profile_picture: null })
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 404)
        this.add({ user_id: userId, username: '', full_name: '', profile_picture: null })
      else this.requested.delete(userId)
      return false
    }
  }

  reset(): void {
    this.requested.clear()
  }
}
