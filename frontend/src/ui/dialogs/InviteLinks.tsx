import { lazy, Suspense, useEffect, useId, useState, type FormEvent } from 'react'
import type { Invite } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { copyText } from '../copy'
import { openConfirmation } from '../dialog_state'
import { FormError } from '../Field'
import { errorText, fullTime } from '../format'
import { useAction } from '../hooks'
import { Copy, QrCode as QrIcon, Trash2 } from '../icons'

const QrCode = lazy(() => import('./QrCode'))

const DAY = 86_400
const PERIODS = { never: null, hour: 3_600, day: DAY, week: 7 * DAY, month: 30 * DAY } as const
const LIMITS = [1, 10, 100] as const

const linkOf = (invite: Invite) => `${location.origin}/join/${invite.code}`

/** The links of a group that have not ended: create, copy, show and end them. */
export function InviteLinks({ groupId, onDone }: { groupId: number; onDone: () => void }) {
  const [invites, setInvites] = useState<readonly Invite[] | null>(null)
  const [failed, setFailed] = useState<string | null>(null)

  useEffect(() => {
    let stale = false
    messenger.groups
      .invites(groupId)
      .then((found) => !stale && setInvites(found))
      .catch((error) => !stale && setFailed(errorText(error)))
    return () => {
      stale = true
    }
  }, [groupId])

  const end = (invite: Invite) =>
    openConfirmation({
      title: t.invites.endTitle,
      message: t.invites.endMore,
      confirmLabel: t.invites.end,
      onConfirm: async () => {
        await messenger.groups.endInvite(groupId, invite.code)
        setInvites((all) => all?.filter((other) => other !== invite) ?? null)
      },
    })

  return (
    <>
      <div className="dialog-body" aria-busy={invites === null && failed === null}>
        <p className="dialog-note">{t.invites.more}</p>
        <FormError text={failed} />
        <NewLink groupId={groupId} onCreated={(invite) => setInvites((all) => [invite, ...(all ?? [])])} />
        {invites?.length === 0 && <p className="dialog-note">{t.invites.none}</p>}
        <ul className="invites">
          {invites?.map((invite) => (
            <Link key={invite.code} invite={invite} onEnd={() => end(invite)} />
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

function NewLink({ groupId, onCreated }: { groupId: number; onCreated: (invite: Invite) => void }) {
  const [period, setPeriod] = useState<keyof typeof PERIODS>('week')
  const [limit, setLimit] = useState('')
  const { busy, error, run } = useAction()
  const id = useId()

  const submit = (event: FormEvent) => {
    event.preventDefault()
    void run(async () =>
      onCreated(await messenger.groups.createInvite(groupId, PERIODS[period], Number(limit) || null)),
    )
  }

  return (
    <form className="invite-new" onSubmit={submit}>
      <FormError text={error} />
      <div className="field">
        <label htmlFor={`${id}-ends`}>{t.invites.ends}</label>
        <div className="field-box">
          <select
            id={`${id}-ends`}
            value={period}
            onChange={(event) => setPeriod(event.target.value as keyof typeof PERIODS)}
          >
            {(Object.keys(PERIODS) as (keyof typeof PERIODS)[]).map((name) => (
              <option key={name} value={name}>
                {t.invites.periods[name]}
              </option>
            ))}
          </select>
        </div>
      </div>
      <div className="field">
        <label htmlFor={`${id}-limit`}>{t.invites.limit}</label>
        <div className="field-box">
          <select id={`${id}-limit`} value={limit} onChange={(event) => setLimit(event.target.value)}>
            <option value="">{t.invites.anyNumber}</option>
            {LIMITS.map((n) => (
              <option key={n} value={n}>
                {t.invites.people(n)}
              </option>
            ))}
          </select>
        </div>
      </div>
      <button className="button button-main" disabled={busy}>
        {busy ? t.invites.creating : t.invites.create}
      </button>
    </form>
  )
}

function Link({ invite, onEnd }: { invite: Invite; onEnd: () => void }) {
  const [shown, setShown] = useState(false)
  const link = linkOf(invite)
  return (
    <li className="invite">
      <bdi className="invite-link" dir="ltr">
        {link}
      </bdi>
      <p className="dialog-note">
        {t.invites.uses(invite.uses)}
        {invite.max_uses !== null && ` / ${invite.max_uses}`}
        {invite.expires_at !== null && ` · ${t.invites.endsOn(fullTime(invite.expires_at))}`}
      </p>
      <div className="invite-buttons">
        <button className="button button-small" onClick={() => void copyText(link)}>
          <Copy aria-hidden /> {t.invites.copy}
        </button>
        <button className="button button-small" aria-expanded={shown} onClick={() => setShown(!shown)}>
          <QrIcon aria-hidden /> {t.invites.qr}
        </button>
        <button className="button button-small button-quiet-danger" onClick={onEnd}>
          <Trash2 aria-hidden /> {t.invites.end}
        </button>
      </div>
      {shown && (
        <Suspense>
          <QrCode text={link} label={t.invites.qrLabel} />
        </Suspense>
      )}
    </li>
  )
}
