import { useEffect } from 'react'
import { useShallow } from 'zustand/react/shallow'
import type { Refusable } from '../../core/operation'
import { unlisted } from '../../core/pending'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { messageText, nameOf } from '../format'
import { useAppState } from '../hooks'
import { Refused } from '../messages/MessageRow'
import { Dialog } from './Dialog'

/** What the outbox has for chats that are not in the list. */
export function Unsent({ onClose }: { onClose: () => void }) {
  const operations = useAppState(useShallow(unlisted))
  const isEmpty = operations.length === 0
  useEffect(() => {
    if (isEmpty) onClose()
  }, [isEmpty, onClose])
  return (
    <Dialog title={t.unsent.title} onClose={onClose} small>
      <div className="dialog-body">
        <p className="dialog-note">{t.unsent.note}</p>
        <ul>
          {operations.map((operation) => (
            <Entry key={operation.client_id} operation={operation} />
          ))}
        </ul>
      </div>
    </Dialog>
  )
}

function Entry({ operation }: { operation: Refusable }) {
  const { kind, chat_id, client_id, refused } = operation
  const person = useAppState((state) => state.people.get(chat_id))
  return (
    <li className="unsent">
      <strong>
        <bdi>{person === undefined ? t.unsent.unknownChat : nameOf(person)}</bdi>
      </strong>
      <p dir="auto">{kind === 'delete' ? t.unsent.deletion : messageText(operation)}</p>
      {refused !== undefined ? (
        <Refused operation={operation} code={refused} />
      ) : (
        <div className="refusal">
          <p>{t.status.waiting}</p>
          <button className="link-button" onClick={() => messenger.operations.discard(client_id)}>
            {t.message.giveUp[kind]}
          </button>
        </div>
      )}
    </li>
  )
}
