// The life cycle of the WebSocket: connect, wait for `ready`, reconnect. Of a frame it looks at the
// type only.
//
//   idle ──start──▶ connecting ──ready──▶ ready
//                     ▲   │ close           │ close
//                     │   ▼                 ▼
//                     └─ waiting ◀──────────┘      (codes up to 4499: reconnect after a random delay)
//                            4500–4999 ──▶ ended   (log in again)

import { backoffMs } from './backoff'
import type { Clock } from './clock'
import type { ClientFrame, ServerFrame } from './types'

export type SocketState = 'idle' | 'connecting' | 'ready' | 'waiting' | 'ended'

/** The part of the browser's WebSocket that is used. */
export interface WebSocketLike {
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number }) => void) | null
  send(text: string): void
  close(code?: number): void
}

export interface SocketHandlers {
  stateChanged(state: SocketState): void
  /** Every frame except `pong`. */
  frame(frame: ServerFrame): void
  /** Closed before it was ready. Browsers do not give the reason; it may be a 401. */
  handshakeFailed(): void
}

/** A ping is sent after this long without a frame. */
export const QUIET_MS = 25_000
/** The connection counts as dead if no frame follows a ping within this time. */
export const PONG_MS = 10_000
/** How long the handshake may take, until `ready`. */
export const READY_MS = 15_000
/** A connection that lasted this long resets the reconnection delay. */
export const STABLE_MS = 10_000

export class Socket {
  state: SocketState = 'idle'
  private raw: WebSocketLike | null = null
  private attempt = 0
  private cancelTimer: () => void = () => {}
  private cancelStable: () => void = () => {}

  constructor(
    private readonly open: () => WebSocketLike,
    private readonly handlers: SocketHandlers,
    private readonly clock: Clock,
  ) {}

  start(): void {
    if (this.state === 'idle' || this.state === 'ended') {
      this.attempt = 0
      this.connect()
    }
  }

  stop(): void {
    this.detach(1000)
    this.setState('idle')
  }

  /** Reconnects without delay if waiting; if ready, verifies the connection by a ping. */
  probe(): void {
    if (this.state === 'waiting') this.connect()
    else if (this.state === 'ready') this.ping()
  }

  /** Closes a connection that is open but does not work, and reconnects. */
  reset(): void {
    if (this.state === 'ready' || this.state === 'connecting') this.abandon()
  }

  /** Returns false if there is no connection; the frame is then dropped. */
  send(frame: ClientFrame): boolean {
    if (this.state !== 'ready' || this.raw === null) return false
    this.raw.send(JSON.stringify(frame))
    return true
  }

  private setState(state: SocketState): void {
    if (this.state === state) return
    this.state = state
    this.handlers.stateChanged(state)
  }

  private connect(): void {
    this.cancelTimer()
    this.setState('connecting')
    let raw: WebSocketLike
    try {
      raw = this.open()
    } catch {
      this.abandon()
      return
    }
    this.raw = raw
    raw.onmessage = (event) => {
      if (this.raw === raw) this.received(event.data)
    }
    raw.onclose = (event) => {
      if (this.raw === raw) this.closed(event.code)
    }
    this.cancelTimer = this.clock.after(READY_MS, () => this.abandon())
  }

  private received(data: unknown): void {
    let frame: ServerFrame
    try {
      frame = JSON.parse(String(data)) as ServerFrame
    } catch {
      return
    }
    this.restartQuietTimer()
    if (frame.type === 'ready') {
      this.cancelStable()
      this.cancelStable = this.clock.after(STABLE_MS, () => {
        this.attempt = 0
      })
      this.handlers.frame(frame)
      // The handler may have closed the connection.
      if (this.raw !== null) this.setState('ready')
      return
    }
    if (frame.type !== 'pong') this.handlers.frame(frame)
  }

  private restartQuietTimer(): void {
    this.cancelTimer()
    this.cancelTimer = this.clock.after(QUIET_MS, () => this.ping())
  }

  private ping(): void {
    this.cancelTimer()
    this.send({ type: 'ping' })
    this.cancelTimer = this.clock.after(PONG_MS, () => this.abandon())
  }

  private closed(code: number): void {
    const wasReady = this.state === 'ready'
    this.detach()
    if (code >= 4500 && code <= 4999) {
      this.setState('ended')
      return
    }
    this.reconnectLater()
    if (!wasReady) this.handlers.handshakeFailed()
  }

  private abandon(): void {
    this.detach(4000)
    this.reconnectLater()
  }

  private reconnectLater(): void {
    const delay = backoffMs(this.attempt++, this.clock)
    this.cancelTimer = this.clock.after(delay, () => this.connect())
    this.setState('waiting')
  }

  /** Stops using the WebSocket, and closes it if a code is given. */
  private detach(code?: number): void {
    this.cancelTimer()
    this.cancelStable()
    const raw = this.raw
    this.raw = null
    if (raw === null) return
    raw.onmessage = raw.onclose = null
    if (code !== undefined) raw.close(code)
  }
}
