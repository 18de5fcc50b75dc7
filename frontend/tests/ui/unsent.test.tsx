// @vitest-environment jsdom

import { act, screen, waitFor } from '@testing-library/react'
import { beforeEach, expect, it, vi } from 'vitest'
import type { Operation } from '../../src/core/operation'
import { messenger } from '../../src/platform'
import { dialogs } from '../../src/ui/dialog_state'
import { Unsent } from '../../src/ui/dialogs/Unsent'
import { UnsentRow } from '../../src/ui/UnsentRow'
import { chat } from '../fakes'
import { setState, show } from './page'

const queued = { n: 1, chat_id: 7, created_at: '2026-11-22T10:00:00Z', epoch: null }
const edit: Operation = { ...queued, kind: 'edit', client_id: 'a', message_id: 9, content: 'a new text', refused: 'not_a_member' }
const deletion: Operation = { ...queued, kind: 'delete', client_id: 'b', message_id: 8 }
const listed: Operation = { ...queued, kind: 'send', client_id: 'c', chat_id: 2, content: 'to Bo' }
const first: Operation = { ...queued, kind: 'send', client_id: 'd', chat_id: 2, content: 'a first message' }

beforeEach(() => {
  setState({ chats: new Map([[2, chat()]]), outbox: [edit, deletion, listed] })
})

it('a row leads to what waits for chats that are not in the list', async () => {
  const { user } = show(<UnsentRow />)
  await user.click(await screen.findByRole('button', { name: '2 unsent messages and changes' }, { timeout: 3_000 }))
  expect(dialogs.getState().open).toEqual([{ kind: 'unsent' }])
  act(() => setState({ outbox: [listed] }))
  expect(screen.queryByRole('button')).toBeNull()
})

it('the row does not appear for a first message that is on its way, nor before the list is known', async () => {
  setState({ chats: new Map(), outbox: [first] })
  show(<UnsentRow />)
  await new Promise((resolve) => setTimeout(resolve, 500))
  act(() => setState({ outbox: [] }))
  await new Promise((resolve) => setTimeout(resolve, 800))
  expect(screen.queryByRole('button')).toBeNull()
  act(() => setState({ chatListLoaded: false, outbox: [edit] }))
  await new Promise((resolve) => setTimeout(resolve, 1_300))
  expect(screen.queryByRole('button')).toBeNull()
})

it('the dialog shows each with its state, can give it up, and closes after the last one', async () => {
  const discard = vi.spyOn(messenger.operations, 'discard').mockImplementation(() => {})
  const onClose = vi.fn()
  const { user } = show(<Unsent onClose={onClose} />)
  expect(screen.getByText('a new text')).toBeTruthy()
  expect(screen.getByText(/^Not changed\./)).toBeTruthy()
  expect(screen.getByText('Deletion of a message')).toBeTruthy()
  expect(screen.queryByText('to Bo')).toBeNull()
  await user.click(screen.getByRole('button', { name: 'Discard change' }))
  await user.click(screen.getByRole('button', { name: 'Keep message' }))
  expect(discard.mock.calls).toEqual([['a'], ['b']])
  expect(onClose).not.toHaveBeenCalled()
  act(() => setState({ outbox: [listed] }))
  await waitFor(() => expect(onClose).toHaveBeenCalled())
})

it('the dialog names the user to whom a first message waits', () => {
  setState({ chats: new Map(), outbox: [first] })
  show(<Unsent onClose={() => {}} />)
  expect(screen.getByText('Bo')).toBeTruthy()
  expect(screen.getByText('Waiting to be sent')).toBeTruthy()
})
