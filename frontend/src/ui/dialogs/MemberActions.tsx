import { useEffect } from 'react'
import type { Role } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { openConfirmation } from '../dialog_state'
import { FormError } from '../Field'
import { nameOf } from '../format'
import { useAction, useAppState } from '../hooks'
import { Dialog } from './Dialog'

interface Props {
  groupId: number
  id: number
  onClose: () => void
}

/** What the owner or an admin can do with a member. */
export function MemberActions({ groupId, id, onClose }: Props) {
  const role = useAppState((state) => state.chats.get(groupId)?.role)
  const member = useAppState((state) => state.groups.get(groupId)?.members.find((m) => m.user_id === id))
  const person = useAppState((state) => state.people.get(id))
  const { busy, error, run } = useAction()
  const name = nameOf(person)

  useEffect(() => {
    if (member === undefined) onClose()
  }, [member, onClose])
  if (member === undefined) return null

  const setRole = (next: Role) => () =>
    void run(() => messenger.groups.setRole(groupId, id, next)).then((done) => done && onClose())
  const handOver = () =>
    openConfirmation({
      title: t.group.handOverTitle(name),
      message: t.group.handOverMore,
      confirmLabel: t.group.handOver,
      onConfirm: () => messenger.groups.setRole(groupId, id, 'owner'),
    })
  const remove = () =>
    openConfirmation({
      title: t.group.removeTitle(name),
      message: t.group.removeMore,
      confirmLabel: t.common.remove,
      onConfirm: () => messenger.groups.removeMember(groupId, id),
    })
  const ban = () =>
    openConfirmation({
      title: t.group.banTitle(name),
      message: t.group.banMore,
      confirmLabel: t.group.banConfirm,
      onConfirm: () => messenger.groups.ban(groupId, id),
    })

  return (
    <Dialog title={name} onClose={onClose} small>
      <div className="dialog-body dialog-actions">
        <FormError text={error} />
        {role === 'owner' && (
          <>
            {member.role === 'member' ? (
              <button className="button button-wide" disabled={busy} onClick={setRole('admin')}>
                {t.group.makeAdmin}
              </button>
            ) : (
              <button className="button button-wide" disabled={busy} onClick={setRole('member')}>
                {t.group.endAdmin}
              </button>
            )}
            <p className="dialog-note">{t.group.makeAdminMore}</p>
            <button className="button button-wide" onClick={handOver}>
              {t.group.handOver}
            </button>
          </>
        )}
        <button className="button button-quiet-danger button-wide" onClick={remove}>
          {t.group.remove}
        </button>
        <button className="button button-quiet-danger button-wide" onClick={ban}>
          {t.group.ban}
        </button>
      </div>
    </Dialog>
  )
}
