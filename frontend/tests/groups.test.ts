import { describe, expect, it } from 'vitest'
import { ApiError } from '../src/core/api'
import { withMessage, withMessagesOnly, withSummary } from '../src/core/chat'
import type { Messenger } from '../src/core/messenger'
import type { ServerFrame } from '../src/core/types'
import { Harness, chat, flushMicrotasks, message } from './fakes'

const CLUB = 9
const member = (user_id: number) => ({ user_id, username: `u${user_id}`, full_name: '', joined_at: '', read_seq: 0 })
const club = chat({ chat_id: CLUB, kind: 'group', peer: null, member_count: 3, last_seq: 5, last_mod: 5 })
const event = (seq: number, kind: 'join' | 'leave', user_id: number): ServerFrame => ({
  type: 'message',
  ...message(seq, { chat_id: CLUB, kind, user_id, content: null }),
})

/** A page with a group of three members, of whom the server gives two at a time, that is open. */
async function openClub(): Promise<{ harness: Harness; messenger: Messenger }> {
  const harness = new Harness()
  const group = { group_id: CLUB, name: 'Club', owner_id: 1, created_at: '', member_count: 3 }
  harness.api.handlers.set('GET /groups/9', (_, path) =>
    path.endsWith('?after=2')
      ? { ...group, members: [member(3)], next: null }
      : { ...group, members: [member(1), member(2)], next: '2' },
  )
  harness.api.handlers.set('GET /messages/9', () => ({ messages: [], more: false }))
  harness.chats = [club]
  const messenger = await harness.start()
  messenger.open(CLUB)
  await flushMicrotasks()
  return { harness, messenger }
}

const memberIds = (messenger: Messenger) =>
  messenger.store.getState().groups.get(CLUB)?.members.map((m) => m.user_id)
const memberCount = (messenger: Messenger) => messenger.store.getState().chats.get(CLUB)?.member_count
const groupRequests = (harness: Harness) => harness.api.calls.filter((call) => call.includes('GET /groups/'))

describe('members', () => {
  it('who join or leave change the list and the count, without a request', async () => {
    const { harness, messenger } = await openClub()
    await messenger.groups.loadMore(CLUB)
    const before = groupRequests(harness).length
    harness.socket.receive(event(6, 'join', 4))
    harness.socket.receive(event(7, 'leave', 2))
    await flushMicrotasks()
    expect(memberIds(messenger)).toEqual([1, 3, 4])
    expect(memberCount(messenger)).toBe(3)
    harness.socket.receive(event(8, 'join', 5))
    harness.socket.receive(event(8, 'join', 5))
    expect(memberIds(messenger)).toEqual([1, 3, 4, 5])
    expect(memberCount(messenger)).toBe(4)
    expect(groupRequests(harness)).toHaveLength(before)
  })

  it('who join a group whose last page is not loaded are counted only', async () => {
    const { harness, messenger } = await openClub()
    harness.socket.receive(event(6, 'join', 4))
    expect(memberIds(messenger)).toEqual([1, 2])
    expect(memberCount(messenger)).toBe(4)
  })

  it('stay in an expanded list when the group is read again', async () => {
    const { messenger } = await openClub()
    await messenger.groups.loadMore(CLUB)
    expect(memberIds(messenger)).toEqual([1, 2, 3])
    await messenger.groups.load(CLUB)
    expect(memberIds(messenger)).toEqual([1, 2, 3])
  })

  it('are all tried, and those who could not be added are returned with the reason', async () => {
    const { harness, messenger } = await openClub()
    const added: number[] = []
    harness.api.handlers.set('POST /groups/add_user_to_group', (body) => {
      const { user_id } = body as { user_id: number }
      if (user_id === 7) throw new ApiError(404, 'no_such_user')
      added.push(user_id)
    })
    const errors = await messenger.groups.addMembers(CLUB, [6, 7, 8])
    expect(added).toEqual([6, 8])
    expect([...errors].map(([id, error]) => [id, (error as ApiError).code])).toEqual([[7, 'no_such_user']])
  })
})

describe('the number of members in a chat', () => {
  const joined = (seq: number) => message(seq, { chat_id: CLUB, kind: 'join', user_id: 4 })

  it('counts each event once, and not the creation', () => {
    expect(withMessage(club, joined(6), 1).member_count).toBe(4)
    expect(withMessage(club, joined(5), 1).member_count).toBe(3)
    const created = chat({ chat_id: CLUB, kind: 'group', peer: null, member_count: 1 })
    expect(withMessage(created, joined(1), 1).member_count).toBe(1)
  })

  it('is kept from a summary that is older than a push, and by a reset', () => {
    const ahead = withMessage(club, joined(6), 1)
    expect(withSummary(ahead, club).member_count).toBe(4)
    expect(withMessagesOnly(club, [joined(6), joined(7)], 1).member_count).toBe(3)
  })
})

it('a pushed message keeps the name of its sender, if the last message had the same sender', () => {
  const named = { ...club, last_message: { ...message(5, { chat_id: CLUB, sender_id: 2 }), sender_name: 'Bo Diddley' } }
  const push = (sender_id: number) => withMessage(named, message(6, { chat_id: CLUB, sender_id }), 1).last_message
  expect(push(2)?.sender_name).toBe('Bo Diddley')
  expect(push(3)?.sender_name).toBeUndefined()
})
