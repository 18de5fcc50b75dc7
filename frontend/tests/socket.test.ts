import { beforeEach, describe, expect, it } from 'vitest'
import { BACKOFF_CAP_MS } from '../src/core/backoff'
import { PONG_MS, QUIET_MS, READY_MS, STEADY_MS, Socket, type SocketState } from '../src/core/socket'
import type { ServerFrame } from '../src/core/types'
import { FakeClock, FakeSocket } from './fakes'

let clock: FakeClock
let raws: FakeSocket[]
let states: SocketState[]
let frames: ServerFrame[]
let refused: number
let socket: Socket

const raw = () => raws.at(-1)!

/** Breaks the connection and lets time pass until the next attempt; returns how long that took. */
async function comeBack(): Promise<number> {
  raw().shut(1006)
  const count = raws.length
  const start = clock.now()
  while (raws.length === count) await clock.pass(100)
  return clock.now() - start
}

beforeEach(() => {
  clock = new FakeClock()
  raws = []
  states = []
  frames = []
  refused = 0
  socket = new Socket(
    () => {
      raws.push(new FakeSocket())
      return raw()
    },
    {
      state: (state) => states.push(state),
      frame: (frame) => frames.push(frame),
      refused: () => refused++,
    },
    clock,
  )
})

describe('the socket', () => {
  it('is ready when the server says so, not when the connection is open', () => {
    socket.start()
    expect(socket.send({ type: 'ping' })).toBe(false)
    raw().ready()
    expect(states).toEqual(['connecting', 'ready'])
    expect(socket.send({ type: 'ping' })).toBe(true)
  })

  it('hands the ready frame on before it says that it is ready', () => {
    let seen = -1
    socket = new Socket(
      () => (raws.push(new FakeSocket()), raw()),
      {
        state: (state) => {
          if (state === 'ready') seen = frames.length
        },
        frame: (frame) => frames.push(frame),
        refused: () => {},
      },
      clock,
    )
    socket.start()
    raw().ready()
    expect(seen).toBe(1)
  })

  for (const code of [1000, 1001, 1006, 1011, 4000, 4008, 4029, 4499])
    it(`comes back after ${code}`, async () => {
      socket.start()
      raw().ready()
      raw().shut(code)
      expect(socket.state).toBe('waiting')
      await clock.pass(1_000)
      expect(raws).toHaveLength(2)
    })

  for (const code of [4500, 4501, 4999])
    it(`does not come back after ${code}`, async () => {
      socket.start()
      raw().ready()
      raw().shut(code)
      expect(socket.state).toBe('ended')
      await clock.pass(600_000)
      expect(raws).toHaveLength(1)
      expect(refused).toBe(0)
    })

  it('waits a random part of a delay that doubles up to a cap', async () => {
    clock.chance = 1
    socket.start()
    const waits: number[] = []
    for (let i = 0; i < 8; i++) waits.push(await comeBack())
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000])
    clock.chance = 0
    raw().shut(1006)
    await clock.pass(100)
    expect(socket.state).toBe('connecting')
    expect(BACKOFF_CAP_MS).toBe(30_000)
  })

  it('starts with a small delay again only after a connection that held', async () => {
    clock.chance = 1
    socket.start()
    for (let i = 0; i < 4; i++) await comeBack()
    raw().ready()
    expect(await comeBack()).toBe(16_000)
    raw().ready()
    await clock.pass(STEADY_MS)
    expect(await comeBack()).toBe(1_000)
  })

  it('does not wait any longer when told to hurry', () => {
    socket.start()
    raw().shut(1006)
    socket.hurry()
    expect(raws).toHaveLength(2)
    socket.hurry()
    expect(raws).toHaveLength(2)
  })

  it('gives up an attempt that never gets ready', async () => {
    socket.start()
    await clock.pass(READY_MS)
    expect(socket.state).toBe('waiting')
    expect(raw().closedWith).not.toBeNull()
  })

  it('asks a quiet server for a sign of life and leaves a dead connection', async () => {
    socket.start()
    raw().ready()
    await clock.pass(QUIET_MS)
    expect(raw().ofType('ping')).toHaveLength(1)
    raw().receive({ type: 'pong' })
    await clock.pass(QUIET_MS)
    expect(raw().ofType('ping')).toHaveLength(2)
    expect(socket.state).toBe('ready')
    await clock.pass(PONG_MS)
    expect(socket.state).toBe('waiting')
    expect(frames.some((frame) => frame.type === 'pong')).toBe(false)
  })

  it('hears nothing more from a connection it has left', async () => {
    socket.start()
    raw().ready()
    const first = raw()
    const heard = first.onmessage!
    socket.renew()
    await clock.pass(1_000)
    heard({ data: '{"type":"resync"}' })
    first.shut(4501)
    expect(frames.map((frame) => frame.type)).toEqual(['ready'])
    expect(socket.state).toBe('connecting')
  })

  it('tells when it was refused before it was ready', () => {
    socket.start()
    raw().shut(1006)
    expect(refused).toBe(1)
  })

  it('outlives a frame that is no JSON', () => {
    socket.start()
    raw().ready()
    raw().onmessage?.({ data: '{' })
    expect(socket.state).toBe('ready')
  })

  it('stays closed once stopped', async () => {
    socket.start()
    raw().ready()
    socket.stop()
    expect(raw().closedWith).toBe(1000)
    await clock.pass(600_000)
    expect(raws).toHaveLength(1)
  })
})
