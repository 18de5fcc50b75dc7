import { createStore } from 'zustand/vanilla'
import type { Message } from '../core/types'

/** The dialog that is open; at most one, above it at most a question. */
export type DialogName =
  | { kind: 'settings' }
  | { kind: 'shortcuts' }
  | { kind: 'new_group' }
  | { kind: 'group'; id: number }
  | { kind: 'contact'; id: number }
  | { kind: 'read_by'; message: Message }

export interface Question {
  title: string
  more: string
  yes: string
  /** Throws where it failed; the question then stays, with the reason. */
  act: () => Promise<void>
}

interface Dialogs {
  dialog: DialogName | null
  question: Question | null
}

export const dialogs = createStore<Dialogs>(() => ({ dialog: null, question: null }))

export const openDialog = (dialog: DialogName) => dialogs.setState({ dialog })
export const closeDialog = () => dialogs.setState({ dialog: null })
export const ask = (question: Question) => dialogs.setState({ question })
export const closeQuestion = () => dialogs.setState({ question: null })
