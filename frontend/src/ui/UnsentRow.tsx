import { useShallow } from 'zustand/react/shallow'
import { unlisted } from '../core/pending'
import { t } from '../i18n'
import { openDialog } from './dialog_state'
import { useAppState, useDebounced } from './hooks'
import { CircleAlert } from './icons'

/** The first message to a user is on its way for less than this. */
const GRACE_MS = 1_000

/** Leads to what the outbox has for chats that are not in the list, which no row and no conversation shows. */
export function UnsentRow() {
  const count = useAppState(useShallow(unlisted)).length
  const isShown = useDebounced(count > 0, GRACE_MS) && count > 0
  if (!isShown) return null
  return (
    <button className="unsent-row" onClick={() => openDialog({ kind: 'unsent' })}>
      <CircleAlert className="status-failed" aria-hidden />
      {t.unsent.row(count)}
    </button>
  )
}
