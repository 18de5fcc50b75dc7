import { useEffect, useState } from 'react'
import type { User } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { FormError } from '../Field'
import { useAction } from '../hooks'

/** The users who are banned from a group. */
export function GroupBans({ groupId, onDone }: { groupId: number; onDone: () => void }) {
  const [users, setUsers] = useState<readonly User[] | null>(null)
  const { busy, error, run } = useAction()

  useEffect(() => {
    let stale = false
    messenger.groups
      .bans(groupId)
      .then((found) => !stale && setUsers(found))
      .catch(() => !stale && setUsers([]))
    return () => {
      stale = true
    }
  }, [groupId])

  const lift = (user: User) =>
    void run(() => messenger.groups.unban(groupId, user.user_id)).then(
      (done) => done && setUsers((all) => all?.filter((other) => other !== user) ?? null),
    )

  return (
    <>
      <div className="dialog-body" aria-busy={users === null}>
        <FormError text={error} />
        {users?.length === 0 && <p className="dialog-note">{t.group.noBans}</p>}
        <ul className="people">
          {users?.map((user) => (
            <li key={user.user_id} className="person-row">
              <span className="person">
                <Avatar id={user.user_id} name={user.full_name} picture={user.profile_picture} size="s" />
                <span className="person-text">
                  <bdi className="person-name">{user.full_name}</bdi>
                  <bdi className="person-more">@{user.username}</bdi>
                </span>
              </span>
              <button
                className="button button-small"
                disabled={busy}
                aria-label={t.group.liftLabel(user.full_name)}
                onClick={() => lift(user)}
              >
                {t.group.lift}
              </button>
            </li>
          ))}
        </ul>
      </div>
      <footer className="dialog-foot">
        <button className="button" data-autofocus onClick={onDone}>
          {t.common.back}
        </button>
      </footer>
    </>
  )
}
