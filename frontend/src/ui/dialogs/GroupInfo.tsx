import { useEffect, useState, type FormEvent } from 'react'
import { useLocation } from 'wouter'
import type { Person } from '../../core/state'
import { isBlank } from '../../core/text'
import type { Group, Member } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { openConfirmation, openDialog } from '../dialog_state'
import { Field, FormError } from '../Field'
import { errorText, longDate, nameOf } from '../format'
import { useAction, useAppState, useMe } from '../hooks'
import { LogOut, Pencil, UserMinus, UserPlus } from '../icons'
import { isComposing } from '../keys'
import { navigated } from '../navigation'
import { addPeople } from './add_people'
import { Dialog } from './Dialog'
import { MoreMembers } from './MoreMembers'
import { PeoplePicker } from './PeoplePicker'

export function GroupInfo({ id, onClose }: { id: number; onClose: () => void }) {
  const group = useAppState((state) => state.groups.get(id))
  const isMember = useAppState((state) => state.chats.has(id))
  const [adding, setAdding] = useState(false)

  useEffect(() => {
    void messenger.groups.load(id)
  }, [id])
  useEffect(() => {
    if (!isMember) onClose()
  }, [isMember, onClose])

  return (
    <Dialog title={adding ? t.group.addPeople : t.group.info} onClose={onClose}>
      {group === undefined ? (
        <div className="dialog-body" aria-busy>
          <span className="spinner" aria-hidden />
        </div>
      ) : adding ? (
        <AddPeople group={group} onDone={() => setAdding(false)} />
      ) : (
        <About group={group} onAdd={() => setAdding(true)} />
      )}
    </Dialog>
  )
}

function About({ group, onAdd }: { group: Group; onAdd: () => void }) {
  const me = useMe()
  const [, navigate] = useLocation()
  const isOwner = group.owner_id === me.user_id
  const id = group.group_id
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
        <GroupName group={group} isOwner={isOwner} />
        <p className="contact-presence">
          {t.group.created(longDate(group.created_at))}
        </p>
      </div>
      <section className="people">
        <h3>{t.group.memberList(count)}</h3>
        <ul>
          <li>
            <button className="person person-choice" onClick={onAdd}>
              <span className="person-icon">
                <UserPlus aria-hidden />
              </span>
              <span className="person-name">{t.group.addPeople}</span>
            </button>
          </li>
          {group.members.map((member) => (
            <MemberRow key={member.user_id} group={group} member={member} isOwner={isOwner} />
          ))}
        </ul>
        <MoreMembers group={group} />
      </section>
      <button className="button button-quiet-danger button-wide" onClick={leave}>
        <LogOut aria-hidden className="mirrored" /> {t.group.leave}
      </button>
    </div>
  )
}

function GroupName({ group, isOwner }: { group: Group; isOwner: boolean }) {
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
        {isOwner && (
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

interface MemberRowProps {
  group: Group
  member: Member
  /** True if the user owns the group. */
  isOwner: boolean
}

function MemberRow({ group, member, isOwner }: MemberRowProps) {
  const me = useMe()
  const person = useAppState((state) => state.people.get(member.user_id))
  const online = useAppState((state) => state.presence.get(member.user_id)?.online)
  const isSelf = member.user_id === me.user_id
  const name = nameOf(person)
  const username = person?.username

  const remove = () =>
    openConfirmation({
      title: t.group.removeTitle(name),
      message: t.group.removeMore,
      confirmLabel: t.common.remove,
      onConfirm: () => messenger.groups.removeMember(group.group_id, member.user_id),
    })

  return (
    <li className="person-row">
      <button
        className="person person-choice"
        onClick={() => openDialog({ kind: 'contact', id: member.user_id })}
      >
        <Avatar
          id={member.user_id}
          name={name}
          picture={person?.profile_picture}
          size="s"
          online={!isSelf && online}
        />
        <span className="person-text">
          <span className="person-name">
            <bdi>{name}</bdi>
            {isSelf && <span className="person-tag">{t.common.you}</span>}
            {group.owner_id === member.user_id && (
              <span className="person-tag person-tag-owner">{t.group.owner}</span>
            )}
          </span>
          <bdi className="person-more">@{username}</bdi>
        </span>
      </button>
      {isOwner && !isSelf && (
        <button
          className="icon-button"
          aria-label={t.group.removeLabel(name)}
          title={t.common.remove}
          onClick={remove}
        >
          <UserMinus aria-hidden />
        </button>
      )}
    </li>
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
