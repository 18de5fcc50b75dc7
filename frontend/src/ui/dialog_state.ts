// Which dialog is open, and the confirmation above it.

import { createStore } from 'zustand/vanilla'
import type { Message } from '../core/types'

export type DialogName =
  | { kind: 'settings' }
  | { kind: 'shortcuts' }
  | { kind: 'new_group' }
  | { kind: 'group'; id: number }
  | { kind: 'contact'; id: number }
  | { kind: 'read_by'; message: Message }

/** A question to confirm an action. */
export interface Confirmation {
  title: string
  message: string
  confirmLabel: string
  /** If it throws, the dialog stays open and shows the error. */
  onConfirm: () => Promise<void>
}

interface Dialogs {
  dialog: DialogName | null
  confirmation: Confirmation | null
}

export const dialogs = createStore<Dialogs>(() => ({ dialog: null, confirmation: null }))

export const openDialog = (dialog: DialogName) => dialogs.setState({ dialog })
export const closeDialog = () => dialogs.setState({ dialog: null })
export const openConfirmation = (confirmation: Confirmation) => dialogs.setState({ confirmation })
export const closeConfirmation = () => dialogs.setState({ confirmation: null })
