// @vitest-environment jsdom

import { screen } from '@testing-library/react'
import { expect, it, vi } from 'vitest'
import { messenger } from '../../src/platform'
import { MessageRow } from '../../src/ui/messages/MessageRow'
import { message } from '../fakes'
import { show } from './page'

type Props = Parameters<typeof MessageRow>[0]

const row = (props: Partial<Props>) =>
  show(
    <MessageRow
      item={message(1)}
      me={1}
      intro={null}
      isGroup={false}
      isNotes={false}
      isNewDay={false}
      isFirstUnread={false}
      isHighlighted={false}
      continuesBlock={false}
      blockContinues={false}
      isRead={false}
      onMenu={vi.fn()}
      onQuote={vi.fn()}
      onReply={vi.fn()}
      {...props}
    />,
  )
const mine = message(1, { sender_id: 1, content: 'mine' })
const waiting = {
  kind: 'send' as const,
  n: 1,
  client_id: 'x',
  chat_id: 2,
  content: 'waits',
  created_at: mine.sent_at,
  epoch: null,
}

it('names the sender and the time', () => {
  row({})
  expect(screen.getByRole('article').getAttribute('aria-label')).toMatch(/^Bo, \d/)
  row({ item: mine })
  expect(screen.getAllByRole('article')[1]!.getAttribute('aria-label')).toMatch(/^You, \d/)
})

it('shows whether an own message waits, was sent or was read', () => {
  row({ item: waiting })
  row({ item: mine })
  row({ item: mine, isRead: true })
  expect(screen.getAllByRole('img').map((icon) => icon.getAttribute('aria-label'))).toEqual([
    'Waiting to be sent',
    'Sent',
    'Read',
  ])
})

it('shows a text as it is, and no links of other schemes', () => {
  const content = '<b>x</b> javascript:alert(1) https://example.org/a.'
  row({ item: message(1, { content }) })
  const text = screen.getByRole('article').querySelector('.message-text')!
  expect(text.textContent).toContain(content)
  expect(text.querySelector('b')).toBe(null)
  expect(screen.getAllByRole('link').map((a) => a.getAttribute('href'))).toEqual(['https://example.org/a'])
})

it('shows neither the text nor actions of a deleted message', () => {
  row({ item: { ...mine, content: null, deleted: true } })
  expect(screen.getByRole('article').textContent).toContain('This message was deleted')
  expect(screen.queryByRole('button')).toBe(null)
})

it('opens the menu at its button', async () => {
  const onMenu = vi.fn()
  const { user } = row({ item: mine, onMenu })
  await user.click(screen.getByRole('button', { name: 'Message actions' }))
  expect(onMenu).toHaveBeenCalledExactlyOnceWith(mine, expect.anything(), screen.getByRole('article'))
})

it('says why a message was refused; it can be sent again or discarded', async () => {
  const retry = vi.spyOn(messenger.operations, 'retry').mockReturnValue(undefined)
  const discard = vi.spyOn(messenger.operations, 'discard').mockReturnValue(undefined)
  const { user } = row({ item: { ...waiting, refused: 'no_such_user' } })
  screen.getByText('Not sent. This person does not exist (any more).')
  await user.click(screen.getByRole('button', { name: 'Send again' }))
  expect(retry).toHaveBeenCalledExactlyOnceWith('x')
  await user.click(screen.getByRole('button', { name: 'Discard' }))
  expect(discard).toHaveBeenCalledExactlyOnceWith('x')
})

it('shows the name of a sender in a group, at the first message of a block only', () => {
  row({ isGroup: true }).unmount()
  row({ isGroup: true })
  expect(screen.getByText('Bo').closest('.message-sender')).not.toBe(null)
  row({ isGroup: true, continuesBlock: true })
  expect(screen.getAllByText('Bo')).toHaveLength(1)
})
