// @vitest-environment jsdom

import { fireEvent, screen } from '@testing-library/react'
import { expect, it, vi } from 'vitest'
import { drafts, setDraft, setEdit } from '../../src/drafts'
import { messenger } from '../../src/platform'
import { Composer } from '../../src/ui/Composer'
import { message } from '../fakes'
import { show } from './page'

type Props = Parameters<typeof Composer>[0]

function showComposer(props: Partial<Props> = {}) {
  const handlers = { onEditLast: vi.fn(), onDone: vi.fn(), onSent: vi.fn() }
  const send = vi.spyOn(messenger.operations, 'send').mockReturnValue(undefined)
  const shown = show(<Composer chatId={2} isNotes={false} {...handlers} {...props} />)
  return { ...shown, ...handlers, send, field: screen.getByRole<HTMLTextAreaElement>('textbox') }
}

it('sends the text without blanks at its end, and empties the field and the draft', async () => {
  const { user, send, field, onSent } = showComposer()
  await user.type(field, 'hello  {Enter}')
  expect(send).toHaveBeenCalledExactlyOnceWith(2, 'hello', undefined)
  expect(onSent).toHaveBeenCalledOnce()
  expect(field.value).toBe('')
  expect(drafts.getState()).toEqual({})
})

it('does not send an empty text or one of blanks', async () => {
  const { user, send, field } = showComposer()
  await user.type(field, '{Enter}   {Enter}')
  expect(send).not.toHaveBeenCalled()
  expect(screen.getByRole<HTMLButtonElement>('button', { name: 'Send' }).disabled).toBe(true)
})

it('makes a new line with Shift+Enter', async () => {
  const { user, send, field } = showComposer()
  await user.type(field, 'a{Shift>}{Enter}{/Shift}b')
  expect(field.value).toBe('a\nb')
  expect(send).not.toHaveBeenCalled()
})

it('does not send with the Enter that takes a candidate of an input method', () => {
  const { send, field } = showComposer()
  fireEvent.change(field, { target: { value: 'に' } })
  fireEvent.keyDown(field, { key: 'Enter', isComposing: true })
  // Safari sends it after `compositionend`, marked by the keyCode only.
  fireEvent.keyDown(field, { key: 'Enter', keyCode: 229 })
  expect(send).not.toHaveBeenCalled()
  fireEvent.keyDown(field, { key: 'Enter', keyCode: 13 })
  expect(send).toHaveBeenCalledOnce()
})

it('keeps the draft of each chat', async () => {
  const first = showComposer()
  await first.user.type(first.field, 'for Bo')
  first.unmount()
  expect(drafts.getState()).toEqual({ 2: 'for Bo' })
  const other = showComposer({ chatId: 3 })
  expect(other.field.value).toBe('')
  other.unmount()
  expect(showComposer().field.value).toBe('for Bo')
})

it('edits: shows the old text, leaves the draft alone, and saves', async () => {
  setDraft(2, 'a draft')
  const old = message(1, { sender_id: 1, content: 'old' })
  setEdit(2, { item: old, text: 'old' })
  const { user, send, field, onDone } = showComposer()
  const edit = vi.spyOn(messenger.operations, 'edit').mockResolvedValue(undefined)
  expect(field.value).toBe('old')
  await user.clear(field)
  await user.type(field, 'new{Enter}')
  expect(edit).toHaveBeenCalledExactlyOnceWith(old, 'new')
  expect(onDone).toHaveBeenCalledOnce()
  expect(send).not.toHaveBeenCalled()
  expect(drafts.getState()).toEqual({ 2: 'a draft' })
})

it('edits the last message with ↑ in an empty field only', async () => {
  const { user, field, onEditLast } = showComposer()
  await user.type(field, 'x{ArrowUp}')
  expect(onEditLast).not.toHaveBeenCalled()
  await user.clear(field)
  await user.type(field, '{ArrowUp}')
  expect(onEditLast).toHaveBeenCalledOnce()
})
