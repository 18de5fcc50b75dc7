// @vitest-environment jsdom

import { screen } from '@testing-library/react'
import { expect, it, vi } from 'vitest'
import { ApiError } from '../../src/core/api'
import { ConfirmDialog } from '../../src/ui/dialogs/ConfirmDialog'
import { show } from './page'

function ask(onConfirm: () => Promise<void>) {
  const onClose = vi.fn()
  const confirmation = { title: 'Sure?', message: 'It is gone then.', confirmLabel: 'Delete', onConfirm }
  return { ...show(<ConfirmDialog confirmation={confirmation} onClose={onClose} />), onClose }
}
const press = (name: string) => screen.getByRole('button', { name })

it('is named by its question, and has the focus on the answer that changes nothing', () => {
  ask(vi.fn())
  expect(screen.getByRole('dialog', { name: 'Sure?' })).toBeTruthy()
  expect(document.activeElement).toBe(press('Cancel'))
})

it('closes after the action, which runs once however often the button is pressed', async () => {
  let finish = () => {}
  const onConfirm = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)))
  const { user, onClose } = ask(onConfirm)
  await user.click(press('Delete'))
  await user.click(press('Delete'))
  expect(onConfirm).toHaveBeenCalledOnce()
  expect(onClose).not.toHaveBeenCalled()
  finish()
  await vi.waitFor(() => expect(onClose).toHaveBeenCalledOnce())
})

it('stays open if the action fails, says why, and can be tried again', async () => {
  const onConfirm = vi.fn().mockRejectedValueOnce(new ApiError(403, 'not_sender')).mockResolvedValue(undefined)
  const { user, onClose } = ask(onConfirm)
  await user.click(press('Delete'))
  await screen.findByText('Only its sender can change a message.')
  expect(onClose).not.toHaveBeenCalled()
  await user.click(press('Delete'))
  expect(onClose).toHaveBeenCalledOnce()
})

it('does nothing if it is cancelled', async () => {
  const onConfirm = vi.fn()
  const { user, onClose } = ask(onConfirm)
  await user.click(press('Cancel'))
  expect(onClose).toHaveBeenCalledOnce()
  expect(onConfirm).not.toHaveBeenCalled()
})
