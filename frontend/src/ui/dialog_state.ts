// The open dialogs, the uppermost last, and the confirmation above them.

import { createStore } from 'zustand/vanilla'
import type { Message } from '../core/types'

export type DialogName =
  | { kind: 'settings' }
  | { kind: 'shortcuts' }
  | { kind: 'new_group' }
  | { kind: 'unsent' }
  | { kind: 'group'; id: number }
  | { kind: 'member'; groupId: number; id: number }
  | { kind: 'contact'; id: number }
  | { kind: 'read_by'; message: Message }
  | { kind: 'reactions'; message: Message }
  | { kind: 'emoji'; message: Message }
  | { kind: 'forward'; message: Message }
  /** Beside the chat, not above it. `message`: the first one of the thread, or one that replies in it. */
  | { kind: 'thread'; message: Message }

/** A question to confirm an action. */
export interface Confirmation {
  title: string
  message: string
  confirmLabel: string
  /** If it throws, the dialog stays open and shows the error. */
  onConfirm: () => Promise<void>
}

interface Dialogs {
  open: readonly DialogName[]
  confirmation: Confirmation | null
}

export const dialogs = createStore<Dialogs>(() => ({ open: [], confirmation: null }))

export const dialogCount = ({ open, confirmation }: Dialogs) => open.length + (confirmation === null ? 0 : 1)

export const openDialog = (dialog: DialogName) => dialogs.setState({ open: [...dialogs.getState().open, dialog] })
/** Opens a thread in place of the one that is open. */
export const openThread = (message: Message) =>
  dialogs.setState({
    open: [...dialogs.getState().open.filter(({ kind }) => kind !== 'thread'), { kind: 'thread', message }],
  })
export const closeDialog = (dialog: DialogName) =>
  dialogs.setState({ open: dialogs.getState().open.filter((other) => other !== dialog) })
export const openConfirmation = (confirmation: Confirmation) => dialogs.setState({ confirmation })
export const closeConfirmation = () => dialogs.setState({ confirmation: null })

/** Closes the uppermost dialogs until `count` are open. */
export function closeDialogsTo(count: number): void {
  const { open, confirmation } = dialogs.getState()
  if (dialogCount({ open, confirmation }) <= count) return
  dialogs.setState({
    open: open.slice(0, count),
    confirmation: count > open.length ? confirmation : null,
  })
}
