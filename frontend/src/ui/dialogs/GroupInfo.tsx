import { LogOut, Pencil, UserMinus, UserPlus } from '../icons'
import { useEffect, useState, type FormEvent } from 'react'
import { useLocation } from 'wouter'
import type { Person } from '../../core/state'
import type { Group, Member } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { ask } from '../dialog_state'
import { Field, FormError } from '../Field'
import { longDate } from '../format'
import { useAct, useApp, useMe } from '../hooks'
import { Dialog } from './Dialog'
import { PeoplePicker } from './PeoplePicker'

export function GroupInfo({ id, onClose }: { id: number; onClose: () => void }) {
  const group = useApp((state) => state.groups.get(id))
  const there = useApp((state) => state.chats.has(id))
  const [adding, setAdding] = useState(false)

  useEffect(() => {
    void messenger.loadGroup(id)
  }, [id])
  useEffect(() => {
    if (!there) onClose()
  }, [there, onClose])

  return (
    <Dialog title={adding ? t.group.addPeople : t.group.info} onClose={onClose}>
      {group === undefined ? (
        <div className="dialog-body" aria-busy>
          <span className="spinner" aria-hidden />
        </div>
      ) : adding ? (
        <AddPeople group={group} onDone={() => setAdding(false)} />
      ) : (
        <About group={group} onAdd={() => setAdding(true)} onClose={onClose} />
      )}
    </Dialog>
  )
}

function About({ group, onAdd, onClose }: { group: Group; onAdd: () => void; onClose: () => void }) {
  const me = useMe()
  const [, navigate] = useLocation()
  const owner = group.owner_id === me.user_id
  const id = group.group_id
  const alone = group.members.length === 1

  const leave = () =>
    ask({
      title: t.group.leaveTitle,
      more: alone
        ? t.group.leaveLast
        : owner
          ? `${t.group.leaveMore} ${t.group.leaveOwner}`
          : t.group.leaveMore,
      yes: t.group.leave,
      act: async () => {
        onClose()
        navigate('/', { replace: true })
        await messenger.leaveGroup(id)
      },
    })

  return (
    <div className="dialog-body">
      <div className="contact">
        <Avatar id={id} name={group.name} size="l" group />
        <GroupName group={group} owner={owner} />
        <p className="contact-presence">
          {t.group.created} {longDate(group.created_at)}
        </p>
      </div>
      <section className="people">
        <h3>{t.group.memberList(group.members.length)}</h3>
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
            <MemberRow key={member.user_id} group={group} member={member} owner={owner} />
          ))}
        </ul>
      </section>
      <button className="button button-quiet-danger button-wide" onClick={leave}>
        <LogOut aria-hidden /> {t.group.leave}
      </button>
    </div>
  )
}

function GroupName({ group, owner }: { group: Group; owner: boolean }) {
  const [name, setName] = useState<string | null>(null)
  const { busy, error, fields, run } = useAct()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (name === null) return
    if (await run(() => messenger.renameGroup(group.group_id, name.trim()))) setName(null)
  }

  if (name === null)
    return (
      <p className="contact-name">
        <bdi>{group.name}</bdi>
        {owner && (
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
        if (event.key !== 'Escape') return
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
        <button className="button button-small button-main" disabled={busy || name.trim() === ''}>
          {busy ? t.common.saving : t.common.save}
        </button>
      </div>
    </form>
  )
}

function MemberRow({ group, member, owner }: { group: Group; member: Member; owner: boolean }) {
  const me = useMe()
  const person = useApp((state) => state.people.get(member.user_id))
  const online = useApp((state) => state.presence.get(member.user_id)?.online)
  const self = member.user_id === me.user_id
  const name = member.full_name || member.username

  const remove = () =>
    ask({
      title: t.group.removeTitle(name),
      more: t.group.removeMore,
      yes: t.common.remove,
      act: () => messenger.removeMember(group.group_id, member.user_id),
    })

  return (
    <li className="person">
      <Avatar
        id={member.user_id}
        name={name}
        picture={person?.profile_picture}
        size="s"
        online={!self && online}
      />
      <span className="person-text">
        <span className="person-name">
          <bdi>{name}</bdi>
          {self && <span className="person-tag">{t.common.you}</span>}
          {group.owner_id === member.user_id && (
            <span className="person-tag person-tag-owner">{t.group.owner}</span>
          )}
        </span>
        <span className="person-more">@{member.username}</span>
      </span>
      {owner && !self && (
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
  const { busy, error, run } = useAct()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    const ids = chosen.map((person) => person.user_id)
    if (await run(() => messenger.addMembers(group.group_id, ids))) {
      messenger.notice('info', t.group.added(ids.length))
      onDone()
    }
  }

  return (
    <form className="dialog-form" onSubmit={(event) => void submit(event)}>
      <div className="dialog-body">
        <FormError text={error} />
        <PeoplePicker
          chosen={chosen}
          onChange={setChosen}
          taken={new Set(group.members.map((member) => member.user_id))}
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
