// The connection to the server: its state, and requests that wait for their reply.
// Owns `socket` and `disconnectedAt`.

import type { Environment } from './environment'
import { Socket, type SocketState } from './socket'
import type { AppStore } from './state'
import type { Ack, ClientFrame, ErrorFrame, ServerFrame } from './types'

const REPLY_TIMEOUT_MS = 15_000

/** A frame that the server answers with an `ack` or an `error` of the same id. */
export type RequestFrame = Extract<ClientFrame, { id: string }>
/** null if the connection was lost, or no reply came in time. */
export type Reply = Ack | ErrorFrame | null

/** True for the code of an error that passes: the request may be repeated. */
export const isTransientCode = (code: string) =>
  code === 'unavailable' || code === 'too_many_requests'

export interface ConnectionHandlers {
  /** Runs after the new state was stored. */
  stateChanged(state: SocketState): void
  /** Every frame that is not the reply to a request. */
  frame(frame: ServerFrame): void
  /** The WebSocket handshake failed. Browsers do not give the reason; it may be a 401. */
  handshakeFailed(): void
}

export class Connection {
  private readonly socket: Socket
  private readonly pending = new Map<string, (reply: Reply) => void>()

  constructor(
    private readonly store: AppStore,
    private readonly env: Pick<Environment, 'openSocket' | 'clock'>,
    private readonly handlers: ConnectionHandlers,
  ) {
    this.socket = new Socket(
      env.openSocket,
      {
        stateChanged: (state) => this.stateChanged(state),
        frame: (frame) => this.received(frame),
        handshakeFailed: handlers.handshakeFailed,
      },
      env.clock,
    )
  }

  open(): void {
    this.socket.start()
  }

  close(): void {
    this.socket.stop()
    this.failPending()
  }

  /** Reconnects without delay if disconnected; otherwise verifies the connection by a ping. */
  probe(): void {
    this.socket.probe()
  }

  /** Returns false if there is no connection; the frame is then dropped. */
  send(frame: ClientFrame): boolean {
    return this.socket.send(frame)
  }

  request(frame: RequestFrame): Promise<Reply> {
    return new Promise((resolve) => {
      let cancelTimer = () => {}
      const settle = (reply: Reply) => {
        cancelTimer()
        this.pending.delete(frame.id)
        resolve(reply)
      }
      this.pending.set(frame.id, settle)
      cancelTimer = this.env.clock.after(REPLY_TIMEOUT_MS, () => {
        settle(null)
        this.socket.reset()
      })
      if (!this.socket.send(frame)) settle(null)
    })
  }

  private stateChanged(socket: SocketState): void {
    const { disconnectedAt } = this.store.getState()
    this.store.setState({
      socket,
      disconnectedAt: socket === 'ready' ? null : (disconnectedAt ?? this.env.clock.now()),
    })
    if (socket !== 'ready') this.failPending()
    this.handlers.stateChanged(socket)
  }

  private received(frame: ServerFrame): void {
    if (frame.type === 'ack' || (frame.type === 'error' && frame.id !== undefined))
      this.pending.get(frame.id!)?.(frame)
    else this.handlers.frame(frame)
  }

  private failPending(): void {
    const settles = [...this.pending.values()]
    this.pending.clear()
    for (const settle of settles) settle(null)
  }
}
