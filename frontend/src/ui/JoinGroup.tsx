// The page of an invite link. A chunk of its own.

import { useEffect, useState } from 'react'
import { Link, useLocation } from 'wouter'
import type { InvitedGroup } from '../core/types'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Avatar } from './Avatar'
import { FormError } from './Field'
import { errorText } from './format'
import { useAction } from './hooks'
import { Logo } from './Logo'

export default function JoinGroup({ code }: { code: string }) {
  const [group, setGroup] = useState<InvitedGroup | null>(null)
  const [failed, setFailed] = useState<string | null>(null)
  const { busy, error, run } = useAction()
  const [, navigate] = useLocation()

  useEffect(() => {
    let stale = false
    messenger.groups
      .invited(code)
      .then((found) => !stale && setGroup(found))
      .catch((why) => !stale && setFailed(errorText(why)))
    return () => {
      stale = true
    }
  }, [code])

  const join = () =>
    void run(async () => {
      const id = await messenger.groups.join(code)
      navigate(`/c/${id}`, { replace: true })
    })

  if (failed !== null)
    return (
      <div className="empty-pane" role="alert">
        <Logo />
        <h1>{t.join.failed}</h1>
        <p>{failed}</p>
        <Link className="button" href="/" replace>
          {t.common.back}
        </Link>
      </div>
    )
  return (
    <div className="empty-pane" aria-busy={group === null}>
      {group !== null && (
        <>
          <Avatar id={group.group_id} name={group.name} picture={group.picture} size="l" group />
          <p>{t.join.invited}</p>
          <h1>
            <bdi>{group.name}</bdi>
          </h1>
          <p>{t.conversation.members(group.member_count)}</p>
          <FormError text={error} />
          {group.joined ? (
            <Link className="button button-main" href={`/c/${group.group_id}`} replace>
              {t.join.open}
            </Link>
          ) : (
            <button className="button button-main" disabled={busy} onClick={join}>
              {busy ? t.join.joining : t.join.join}
            </button>
          )}
        </>
      )}
    </div>
  )
}
