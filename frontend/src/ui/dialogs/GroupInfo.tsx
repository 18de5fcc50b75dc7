import { useEffect, useState, type FormEvent } from 'react'
import { useLocation } from 'wouter'
import type { Person } from '../../core/state'
import { isBlank } from '../../core/text'
import type { Group } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { openConfirmation } from '../dialog_state'
import { Field, FormError } from '../Field'
import { errorText, longDate } from '../format'
import { useAction, useAppState, useMe } from '../hooks'
import { LinkIcon, LogOut, Pencil, Settings, UserX } from '../icons'
import { isComposing } from '../keys'
import { navigated } from '../navigation'
import { addPeople } from './add_people'
import { Dialog } from './Dialog'
import { GroupBans } from './GroupBans'
import { GroupMembers } from './GroupMembers'
import { GroupSettings } from './GroupSettings'
import { InviteLinks } from './InviteLinks'
import { PeoplePicker } from './PeoplePicker'

type View = 'about' | 'adding' | 'settings' | 'links' | 'bans'

export function GroupInfo({ id, onClose }: { id: number; onClose: () => void }) {
  const group = useAppState((state) => state.groups.get(id))
  const isMember = useAppState((state) => state.chats.has(id))
  const [view, setView] = useState<View>('about')
  const stale = group?.stale === true

  useEffect(() => {
    void messenger.groups.load(id)
  }, [id, stale])
  useEffect(() => {
    if (!isMember) onClose()
  }, [isMember, onClose])

  const titles: Record<View, string> = {
    about: t.group.info,
    adding: t.group.addPeople,
    settings: t.group.settings,
    links: t.invites.title,
    bans: t.group.bans,
  }
  const back = () => setView('about')
  return (
    <Dialog title={titles[view]} onClose={onClose}>
      {group === undefined ? (
        <div className="dialog-body" aria-busy>
          <span className="spinner" aria-hidden />
        </div>
      ) : view === 'adding' ? (
        <AddPeople group={group} onDone={back} />
      ) : view === 'settings' ? (
        <GroupSettings group={group} onDone={back} />
      ) : view === 'links' ? (
        <InviteLinks groupId={id} onDone={back} />
      ) : view === 'bans' ? (
        <GroupBans groupId={id} onDone={back} />
      ) : (
        <About group={group} onView={setView} />
      )}
    </Dialog>
  )
}

function About({ group, onView }: { group: Group; onView: (view: View) => void }) {
  const me = useMe()
  const [, navigate] = useLocation()
  const isOwner = group.owner_id === me.user_id
  const id = group.group_id
  const role = useAppState((state) => state.chats.get(id)?.role)
  const isAdmin = role === 'owner' || role === 'admin'
  const count = useAppState((state) => state.chats.get(id)?.member_count ?? group.member_count)

  const leave = () =>
    openConfirmation({
      title: t.group.leaveTitle,
      message: count === 1
        ? t.group.leaveLast
        : isOwner
          ? `${t.group.leaveMore} ${t.group.leaveOwner}`
          : t.group.leaveMore,
      confirmLabel: t.group.leave,
      onConfirm: async () => {
        navigate('/')
        await navigated()
        await messenger.groups.leave(id).catch((error) => messenger.notices.show('error', errorText(error)))
      },
    })

  return (
    <div className="dialog-body">
      <div className="contact">
        <Avatar id={id} name={group.name} size="l" group />
        <GroupName group={group} mayRename={isAdmin} />
        <p className="contact-presence">
          {t.group.created(longDate(group.created_at))}
        </p>
      </div>
      {group.description !== null && (
        <p className="group-description" dir="auto">
          {group.description}
        </p>
      )}
      {isAdmin && (
        <div className="group-actions">
          <button className="button" onClick={() => onView('settings')}>
            <Settings aria-hidden /> {t.group.settings}
          </button>
          <button className="button" onClick={() => onView('links')}>
            <LinkIcon aria-hidden /> {t.invites.title}
          </button>
          <button className="button" onClick={() => onView('bans')}>
            <UserX aria-hidden /> {t.group.bans}
          </button>
        </div>
      )}
      <GroupMembers
        group={group}
        count={count}
        onAdd={isAdmin || group.adding === 'all' ? () => onView('adding') : null}
      />
      <button className="button button-quiet-danger button-wide" onClick={leave}>
        <LogOut aria-hidden className="mirrored" /> {t.group.leave}
      </button>
    </div>
  )
}

function GroupName({ group, mayRename }: { group: Group; mayRename: boolean }) {
  const [name, setName] = useState<string | null>(null)
  const { busy, error, fields, run } = useAction()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (name === null) return
    if (await run(() => messenger.groups.edit(group.group_id, { name: name.trim() }))) setName(null)
  }

  if (name === null)
    return (
      <p className="contact-name">
        <bdi>{group.name}</bdi>
        {mayRename && (
          <button
            className="icon-button"
            aria-label={t.group.rename}
            title={t.group.rename}
            onClick={() => setName(group.name)}
          >
            <Pencil aria-hidden />
          </button>
        )}
      </p>
    )
  return (
    <form
      className="rename"
      onSubmit={(event) => void submit(event)}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || isComposing(event.nativeEvent)) return
        event.preventDefault()
        setName(null)
      }}
    >
      <FormError text={error} />
      <Field
        label={t.group.name}
        error={fields.name}
        required
        maxLength={100}
        autoFocus
        autoComplete="off"
        value={name}
        onChange={(e) => setName(e.target.value)}
      />
      <div className="rename-buttons">
        <button type="button" className="button button-small" onClick={() => setName(null)}>
          {t.common.cancel}
        </button>
        <button className="button button-small button-main" disabled={busy || isBlank(name)}>
          {busy ? t.common.saving : t.common.save}
        </button>
      </div>
    </form>
  )
}

function AddPeople({ group, onDone }: { group: Group; onDone: () => void }) {
  const [chosen, setChosen] = useState<readonly Person[]>([])
  const { busy, error, run } = useAction()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    await run(async () => {
      const refused = await addPeople(group.group_id, chosen)
      const added = chosen.length - refused.people.length
      if (added > 0) messenger.notices.show('info', t.group.added(added))
      setChosen(refused.people)
      if (refused.error !== null) throw refused.error
      onDone()
    })
  }

  return (
    <form className="dialog-form" onSubmit={(event) => void submit(event)}>
      <div className="dialog-body">
        <FormError text={error} />
        <PeoplePicker
          chosen={chosen}
          onChange={setChosen}
          members={new Set(group.members.map((member) => member.user_id))}
          autoFocus
        />
      </div>
      <footer className="dialog-foot">
        <button type="button" className="button" onClick={onDone}>
          {t.common.cancel}
        </button>
        <button className="button button-main" disabled={busy || chosen.length === 0}>
          {busy ? t.common.saving : t.common.add}
        </button>
      </footer>
    </form>
  )
}
