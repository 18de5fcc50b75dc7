// The WebSocket's life: connect, be ready, lose it, come back. Knows frames' outer form only.
//
//   idle ──start──▶ connecting ──ready──▶ ready
//                     ▲   │ close           │ close
//                     │   ▼                 ▼
//                     └─ waiting ◀──────────┘      (1000–1006, 4000–4499: random part of a doubling delay)
//                            4500–4999 ──▶ ended   (log in again)

import { backoffMs } from './backoff'
import type { Clock } from './clock'
import type { ClientFrame, ServerFrame } from './types'

export type SocketState = 'idle' | 'connecting' | 'ready' | 'waiting' | 'ended'

/** The part of the browser's WebSocket that is used. */
export interface RawSocket {
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number }) => void) | null
  send(text: string): void
  close(code?: number): void
}

export interface SocketEvents {
  state(state: SocketState): void
  frame(frame: ServerFrame): void
  /** Closed before it was ready: the browser does not say why, it may have been a 401. */
  refused(): void
}

/** After this long without a frame the server is asked for a sign of life, */
export const QUIET_MS = 25_000
/** and after this long without an answer the connection is taken for dead. */
export const PONG_MS = 10_000
/** How long the upgrade and `ready` may take. */
export const READY_MS = 15_000
/** A connection that held this long was a good one: the delay starts small again. */
export const STEADY_MS = 10_000

export class Socket {
  state: SocketState = 'idle'
  private raw: RawSocket | null = null
  private attempt = 0
  private stopTimer: () => void = () => {}
  private stopSteady: () => void = () => {}

  constructor(
    private readonly open: () => RawSocket,
    private readonly events: SocketEvents,
    private readonly clock: Clock,
  ) {}

  start(): void {
    if (this.state === 'idle' || this.state === 'ended') {
      this.attempt = 0
      this.connect()
    }
  }

  stop(): void {
    this.drop(1000)
    this.enter('idle')
  }

  /** The network is back, or somebody looks at the page again: do not wait any longer. */
  hurry(): void {
    if (this.state === 'waiting') this.connect()
    else if (this.state === 'ready') this.ask()
  }

  /** The connection is useless although it is open. */
  renew(): void {
    if (this.state === 'ready' || this.state === 'connecting') this.lost()
  }

  /** False where there is no connection that would carry it. */
  send(frame: ClientFrame): boolean {
    if (this.state !== 'ready' || this.raw === null) return false
    this.raw.send(JSON.stringify(frame))
    return true
  }

  private enter(state: SocketState): void {
    if (this.state === state) return
    this.state = state
    this.events.state(state)
  }

  private connect(): void {
    this.stopTimer()
    this.enter('connecting')
    let raw: RawSocket
    try {
      raw = this.open()
    } catch {
      this.lost()
      return
    }
    this.raw = raw
    raw.onmessage = (event) => {
      if (this.raw === raw) this.received(event.data)
    }
    raw.onclose = (event) => {
      if (this.raw === raw) this.closed(event.code)
    }
    this.stopTimer = this.clock.after(READY_MS, () => this.lost())
  }

  private received(data: unknown): void {
    let frame: ServerFrame
    try {
      frame = JSON.parse(String(data)) as ServerFrame
    } catch {
      return
    }
    this.listen()
    if (frame.type === 'ready') {
      this.stopSteady()
      this.stopSteady = this.clock.after(STEADY_MS, () => {
        this.attempt = 0
      })
      this.events.frame(frame)
      this.enter('ready')
      return
    }
    if (frame.type !== 'pong') this.events.frame(frame)
  }

  /** Starts the wait for the next sign of life anew. */
  private listen(): void {
    this.stopTimer()
    this.stopTimer = this.clock.after(QUIET_MS, () => this.ask())
  }

  private ask(): void {
    this.stopTimer()
    this.send({ type: 'ping' })
    this.stopTimer = this.clock.after(PONG_MS, () => this.lost())
  }

  private closed(code: number): void {
    const wasReady = this.state === 'ready'
    this.drop()
    if (code >= 4500 && code <= 4999) {
      this.enter('ended')
      return
    }
    this.wait()
    if (!wasReady) this.events.refused()
  }

  private lost(): void {
    this.drop(4000)
    this.wait()
  }

  private wait(): void {
    const delay = backoffMs(this.attempt++, this.clock)
    this.stopTimer = this.clock.after(delay, () => this.connect())
    this.enter('waiting')
  }

  private drop(code?: number): void {
    this.stopTimer()
    this.stopSteady()
    const raw = this.raw
    this.raw = null
    if (raw === null) return
    raw.onmessage = raw.onclose = null
    if (code !== undefined) raw.close(code)
  }
}
