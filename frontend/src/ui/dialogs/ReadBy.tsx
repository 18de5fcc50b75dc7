import { useEffect } from 'react'
import type { Member, Message } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { nameOf } from '../format'
import { useAppState, useMe } from '../hooks'
import { Dialog } from './Dialog'
import { MoreMembers } from './MoreMembers'

export function ReadBy({ message, onClose }: { message: Message; onClose: () => void }) {
  const me = useMe()
  const group = useAppState((state) => state.groups.get(message.chat_id))
  useEffect(() => {
    void messenger.groups.load(message.chat_id)
  }, [message.chat_id])

  const others = group?.members.filter((member) => member.user_id !== me.user_id) ?? []
  const read = others.filter((member) => member.read_seq >= message.seq)
  const unread = others.filter((member) => member.read_seq < message.seq)
  return (
    <Dialog title={t.readBy.title} onClose={onClose} small>
      <div className="dialog-body">
        {read.length === 0 && <p className="dialog-note">{t.readBy.nobody}</p>}
        <People title={t.readBy.read} members={read} />
        <People title={t.readBy.unread} members={unread} />
        {group !== undefined && <MoreMembers group={group} />}
      </div>
    </Dialog>
  )
}

function People({ title, members }: { title: string; members: readonly Member[] }) {
  const people = useAppState((state) => state.people)
  if (members.length === 0) return null
  return (
    <section className="people">
      <h3>{title}</h3>
      <ul>
        {members.map((member) => {
          const person = people.get(member.user_id)
          const name = nameOf(person)
          return (
            <li key={member.user_id} className="person">
              <Avatar id={member.user_id} name={name} picture={person?.profile_picture} size="s" />
              <bdi className="person-name">{name}</bdi>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
