// Short messages to the user, each removed after a few seconds. Owns `notices`.

import type { Clock } from './clock'
import type { AppStore, Notice } from './state'

const INFO_MS = 4_000
const ERROR_MS = 8_000
const MAX_NOTICES = 3

export class Notices {
  private lastId = 0

  constructor(
    private readonly store: AppStore,
    private readonly clock: Clock,
  ) {}

  show(kind: Notice['kind'], text: string): void {
    const id = ++this.lastId
    const older = this.store.getState().notices.slice(1 - MAX_NOTICES)
    this.store.setState({ notices: [...older, { id, kind, text }] })
    this.clock.after(kind === 'error' ? ERROR_MS : INFO_MS, () => this.dismiss(id))
  }

  dismiss(id: number): void {
    const { notices } = this.store.getState()
    this.store.setState({ notices: notices.filter((notice) => notice.id !== id) })
  }
}
