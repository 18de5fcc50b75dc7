import type { Group, Member } from '../../core/types'
import { t } from '../../i18n'
import { Avatar } from '../Avatar'
import { openDialog } from '../dialog_state'
import { nameOf } from '../format'
import { useAppState, useMe } from '../hooks'
import { Ellipsis, UserPlus } from '../icons'
import { MoreMembers } from './MoreMembers'

interface Props {
  group: Group
  /** The number of members. */
  count: number
  /** Null if the user may not add people. */
  onAdd: (() => void) | null
}

export function GroupMembers({ group, count, onAdd }: Props) {
  return (
    <section className="people">
      <h3>{t.group.memberList(count)}</h3>
      <ul>
        {onAdd !== null && (
          <li>
            <button className="person person-choice" onClick={onAdd}>
              <span className="person-icon">
                <UserPlus aria-hidden />
              </span>
              <span className="person-name">{t.group.addPeople}</span>
            </button>
          </li>
        )}
        {group.members.map((member) => (
          <MemberRow key={member.user_id} group={group} member={member} />
        ))}
      </ul>
      <MoreMembers group={group} />
    </section>
  )
}

/** True if a user with this role may remove and ban the other one. */
export const mayRemove = (mine: string | null | undefined, other: Member) =>
  other.role !== 'owner' && (mine === 'owner' || (mine === 'admin' && other.role === 'member'))

function MemberRow({ group, member }: { group: Group; member: Member }) {
  const me = useMe()
  const role = useAppState((state) => state.chats.get(group.group_id)?.role)
  const person = useAppState((state) => state.people.get(member.user_id))
  const online = useAppState((state) => state.presence.get(member.user_id)?.online)
  const isSelf = member.user_id === me.user_id
  const name = nameOf(person)
  const username = person?.username

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
            {member.role === 'owner' && (
              <span className="person-tag person-tag-owner">{t.group.owner}</span>
            )}
            {member.role === 'admin' && <span className="person-tag">{t.group.admin}</span>}
          </span>
          <bdi className="person-more">@{username}</bdi>
        </span>
      </button>
      {!isSelf && mayRemove(role, member) && (
        <button
          className="icon-button"
          aria-label={t.group.actions(name)}
          title={t.group.actions(name)}
          onClick={() => openDialog({ kind: 'member', groupId: group.group_id, id: member.user_id })}
        >
          <Ellipsis aria-hidden />
        </button>
      )}
    </li>
  )
}
