// Which users are online, and the set of users that the server reports on. Owns `presence`.

import type { Connection } from './connection'
import { myId, withEntry, type AppStore } from './state'
import type { Presence } from './types'

/** The server's limit. */
const WATCH_MAX = 500

export class PresenceWatch {
  /** The ids of the last `presence` frame sent on this connection. */
  private watched = ''

  constructor(
    private readonly store: AppStore,
    private readonly connection: Connection,
  ) {}

  received(presence: Presence): void {
    this.store.setState({
      presence: withEntry(this.store.getState().presence, presence.user_id, presence),
    })
  }

  /** Watches the members of the open group and the peers of all direct chats. */
  update(): void {
    const { openChatId, groups, chats } = this.store.getState()
    const ids = new Set<number>()
    const group = openChatId === null ? undefined : groups.get(openChatId)
    for (const member of group?.members ?? []) ids.add(member.user_id)
    for (const chat of chats.values()) if (chat.peer !== null) ids.add(chat.peer.user_id)
    ids.delete(myId(this.store))
    const watch = [...ids].slice(0, WATCH_MAX).sort((a, b) => a - b)
    const key = watch.join()
    if (key === this.watched) return
    if (this.connection.send({ type: 'presence', watch })) this.watched = key
  }

  /** The next update() sends the set even if it is unchanged. */
  reset(): void {
    this.watched = ''
  }

  /** Without a connection nothing is known about presence. */
  clear(): void {
    this.reset()
    this.store.setState({ presence: new Map() })
  }
}
