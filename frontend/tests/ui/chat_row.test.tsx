// @vitest-environment jsdom

import { screen } from '@testing-library/react'
import { expect, it } from 'vitest'
import type { Chat } from '../../src/core/types'
import { setDraft } from '../../src/drafts'
import { ChatRow } from '../../src/ui/ChatRow'
import { chat, message } from '../fakes'
import { setState, show } from './page'

const row = (fields: Partial<Chat> = {}, open = false) => show(<ChatRow chat={chat(fields)} open={open} />)
const link = () => screen.getByRole('link')
const waiting = {
  kind: 'send' as const,
  n: 1,
  client_id: 'x',
  chat_id: 2,
  content: 'on its way',
  created_at: '2026-11-22T10:00:00Z',
  epoch: null,
}

it('leads to the chat, and says whether it is open', () => {
  row({}, true)
  expect(link().getAttribute('href')).toBe('/c/2')
  expect(link().getAttribute('aria-current')).toBe('page')
})

it('shows the last message and whether it was read', () => {
  const last_message = message(3, { sender_id: 1, content: 'see\nyou' })
  row({ last_message, peer_read_seq: 2 }).unmount()
  row({ last_message, peer_read_seq: 2 })
  expect(link().textContent).toContain('see you')
  expect(screen.getByRole('img', { name: 'Sent' })).toBeTruthy()
})

it('shows who wrote the last message in a group', () => {
  row({ kind: 'group', name: 'Tea', peer: null, last_message: { ...message(1, { sender_id: 9 }), sender_name: 'Cem' } })
  expect(link().textContent).toContain('Cem: text 1')
})

it('does not show the text of a deleted message', () => {
  row({ last_message: message(1, { deleted: true, content: null }) })
  expect(link().textContent).toContain('This message was deleted')
})

it('names the number of unread messages, and shows no more than 999', () => {
  row({ unread: 1000 })
  expect(screen.getByText('999+').getAttribute('aria-hidden')).toBe('true')
  expect(link().textContent).toContain('1,000 unread messages')
})

it('prefers typing to the draft, the draft to a waiting message, and that to the last one', () => {
  const show = () => row({ last_message: message(1) })
  const shown = show()
  expect(link().textContent).toContain('text 1')
  shown.unmount()

  setState({ outbox: [waiting] })
  const queued = show()
  expect(link().textContent).toContain('on its way')
  expect(screen.getByRole('img', { name: 'Sending' })).toBeTruthy()
  queued.unmount()

  setDraft(2, 'not yet')
  const drafted = show()
  expect(link().textContent).toContain('Draft: not yet')
  drafted.unmount()

  setState({ typing: new Map([[2, new Map([[2, Infinity]])]]) })
  show()
  expect(link().textContent).toContain('typing…')
})

it('says that a message was refused', () => {
  setState({ outbox: [{ ...waiting, refused: 'no_such_user' }] })
  row({ last_message: message(1) })
  expect(screen.getByRole('img', { name: 'Not sent' })).toBeTruthy()
})

it('shows the pending change of the last message', () => {
  const last_message = message(3, { sender_id: 1 })
  const change = { ...waiting, message_id: 1003 }
  const deletion = { kind: 'delete' as const, n: 1, client_id: 'x', chat_id: 2, created_at: '', epoch: null, message_id: 1003 }
  const show = () => row({ last_message, peer_read_seq: 3 })

  setState({ outbox: [{ ...change, kind: 'edit', content: 'changed' }] })
  const edited = show()
  expect(link().textContent).toContain('changed')
  expect(screen.getByRole('img', { name: 'Sending' })).toBeTruthy()
  expect(screen.queryByRole('img', { name: 'Read' })).toBeNull()
  edited.unmount()

  setState({ outbox: [deletion] })
  const deleted = show()
  expect(link().textContent).toContain('This message was deleted')
  expect(screen.getByRole('img', { name: 'Sending' })).toBeTruthy()
  deleted.unmount()

  setState({ outbox: [{ ...deletion, refused: 'forbidden' }] })
  const refused = show()
  expect(link().textContent).toContain('text 3')
  expect(screen.getByRole('img', { name: 'Not sent' })).toBeTruthy()
  refused.unmount()

  // The message_id of another epoch is another message's.
  setState({ epoch: 'second', outbox: [{ ...deletion, epoch: 'first' }] })
  show()
  expect(link().textContent).toContain('text 3')
})

it('names the sender by the profile, and before it is known by the message', () => {
  const last_message = { ...message(1, { sender_id: 9 }), sender_name: 'Cem' }
  const show = () => row({ kind: 'group', name: 'Tea', peer: null, last_message })
  show().unmount()
  const gone = { user_id: 9, username: '', full_name: '', profile_picture: null }
  setState({ people: new Map([[9, { ...gone, username: 'cem', full_name: 'Cem Can' }]]) })
  const known = show()
  expect(link().textContent).toContain('Cem Can: text 1')
  known.unmount()
  setState({ people: new Map([[9, gone]]) })
  show()
  expect(link().textContent).toContain('Deleted account: text 1')
})
