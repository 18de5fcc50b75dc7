// Reading over HTTP while there is no WebSocket, for example behind a proxy that does not let it pass.
// Owns `polling`.

import type { Clock } from './clock'
import type { SocketState } from './socket'
import type { AppStore } from './state'

/** How long the first connection may take before the chats are read without it. */
const FIRST_MS = 4_000
const POLL_MS = 10_000

export class Polling {
  private cancelTimer: (() => void) | null = null

  constructor(
    private readonly store: AppStore,
    private readonly clock: Clock,
    /** Reads what is new. Returns false if the server cannot be reached. */
    private readonly poll: () => Promise<boolean>,
  ) {}

  socketChanged(socket: SocketState): void {
    if (socket === 'ready' || socket === 'idle' || socket === 'ended') return this.stop()
    const isFirst = !this.store.getState().chatListLoaded
    // A failed first connection is not waited for.
    if (isFirst && socket === 'waiting') this.stop()
    this.cancelTimer ??= this.clock.after(
      isFirst ? (socket === 'waiting' ? 0 : FIRST_MS) : this.interval(),
      () => void this.run(),
    )
  }

  /** A random part keeps many pages from polling at the same moment after a restart of the server. */
  private interval = () => POLL_MS * (0.75 + this.clock.random() / 2)

  private async run(): Promise<void> {
    const timer = this.cancelTimer
    const reached = await this.poll()
    // Stopped, or started again, meanwhile.
    if (timer === null || timer !== this.cancelTimer) return
    this.store.setState({ polling: reached })
    this.cancelTimer = this.clock.after(this.interval(), () => void this.run())
  }

  stop(): void {
    this.cancelTimer?.()
    this.cancelTimer = null
    if (this.store.getState().polling) this.store.setState({ polling: false })
  }
}
