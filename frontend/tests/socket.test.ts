import { beforeEach, describe, expect, it } from 'vitest'
import { BACKOFF_CAP_MS } from '../src/core/backoff'
import { PONG_MS, QUIET_MS, READY_MS, STABLE_MS, Socket, type SocketState } from '../src/core/socket'
import type { ServerFrame } from '../src/core/types'
import { FakeClock, FakeSocket } from './fakes'

let clock: FakeClock
let raws: FakeSocket[]
let states: SocketState[]
let frames: ServerFrame[]
let failedHandshakes: number
let socket: Socket

const raw = () => raws.at(-1)!

/** Breaks the connection; returns the time until the next attempt, in ms. */
async function reconnectDelay(): Promise<number> {
  raw().closeFromServer(1006)
  const count = raws.length
  const start = clock.now()
  while (raws.length === count) await clock.advance(100)
  return clock.now() - start
}

beforeEach(() => {
  clock = new FakeClock()
  raws = []
  states = []
  frames = []
  failedHandshakes = 0
  socket = new Socket(
    () => {
      raws.push(new FakeSocket())
      return raw()
    },
    {
      stateChanged: (state) => states.push(state),
      frame: (frame) => frames.push(frame),
      handshakeFailed: () => failedHandshakes++,
    },
    clock,
  )
})

describe('the socket', () => {
  it('is ready after the ready frame, not after the handshake', () => {
    socket.start()
    expect(socket.send({ type: 'ping' })).toBe(false)
    raw().ready()
    expect(states).toEqual(['connecting', 'ready'])
    expect(socket.send({ type: 'ping' })).toBe(true)
  })

  it('passes the ready frame on before the state changes', () => {
    let seen = -1
    socket = new Socket(
      () => (raws.push(new FakeSocket()), raw()),
      {
        stateChanged: (state) => {
          if (state === 'ready') seen = frames.length
        },
        frame: (frame) => frames.push(frame),
        handshakeFailed: () => {},
      },
      clock,
    )
    socket.start()
    raw().ready()
    expect(seen).toBe(1)
  })

  for (const code of [1000, 1001, 1006, 1011, 4000, 4008, 4029, 4499])
    it(`reconnects after ${code}`, async () => {
      socket.start()
      raw().ready()
      raw().closeFromServer(code)
      expect(socket.state).toBe('waiting')
      await clock.advance(1_000)
      expect(raws).toHaveLength(2)
    })

  for (const code of [4500, 4501, 4999])
    it(`does not reconnect after ${code}`, async () => {
      socket.start()
      raw().ready()
      raw().closeFromServer(code)
      expect(socket.state).toBe('ended')
      await clock.advance(600_000)
      expect(raws).toHaveLength(1)
      expect(failedHandshakes).toBe(0)
    })

  it('waits for a random part of a delay that doubles up to a limit', async () => {
    clock.randomValue = 1
    socket.start()
    const waits: number[] = []
    for (let i = 0; i < 8; i++) waits.push(await reconnectDelay())
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
    clock.randomValue = 0
    raw().closeFromServer(1006)
    await clock.advance(100)
    expect(socket.state).toBe('connecting')
    expect(BACKOFF_CAP_MS).toBe(30_000)
  })

  it('resets the delay only after a stable connection', async () => {
    clock.randomValue = 1
    socket.start()
    for (let i = 0; i < 4; i++) await reconnectDelay()
    raw().ready()
    expect(await reconnectDelay()).toBe(16_000)
    raw().ready()
    await clock.advance(STABLE_MS)
    expect(await reconnectDelay()).toBe(1_000)
  })

  it('reconnects without delay when probed', () => {
    socket.start()
    raw().closeFromServer(1006)
    socket.probe()
    expect(raws).toHaveLength(2)
    socket.probe()
    expect(raws).toHaveLength(2)
  })

  it('abandons an attempt that does not become ready', async () => {
    socket.start()
    await clock.advance(READY_MS)
    expect(socket.state).toBe('waiting')
    expect(raw().closedWith).not.toBeNull()
  })

  it('pings a silent server, and abandons a dead connection', async () => {
    socket.start()
    raw().ready()
    await clock.advance(QUIET_MS)
    expect(raw().ofType('ping')).toHaveLength(1)
    raw().receive({ type: 'pong' })
    await clock.advance(QUIET_MS)
    expect(raw().ofType('ping')).toHaveLength(2)
    expect(socket.state).toBe('ready')
    await clock.advance(PONG_MS)
    expect(socket.state).toBe('waiting')
    expect(frames.some((frame) => frame.type === 'pong')).toBe(false)
  })

  it('ignores frames of an abandoned connection', async () => {
    socket.start()
    raw().ready()
    const first = raw()
    const onmessage = first.onmessage!
    socket.reset()
    await clock.advance(1_000)
    onmessage({ data: '{"type":"resync"}' })
    first.closeFromServer(4501)
    expect(frames.map((frame) => frame.type)).toEqual(['ready'])
    expect(socket.state).toBe('connecting')
  })

  it('reports a failed handshake', () => {
    socket.start()
    raw().closeFromServer(1006)
    expect(failedHandshakes).toBe(1)
  })

  it('ignores a frame that is not JSON', () => {
    socket.start()
    raw().ready()
    raw().onmessage?.({ data: '{' })
    expect(socket.state).toBe('ready')
  })

  it('does not reconnect after stop', async () => {
    socket.start()
    raw().ready()
    socket.stop()
    expect(raw().closedWith).toBe(1000)
    await clock.advance(600_000)
    expect(raws).toHaveLength(1)
  })
})
