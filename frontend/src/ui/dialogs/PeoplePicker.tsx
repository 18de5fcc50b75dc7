import { useState } from 'react'
import type { Person } from '../../core/state'
import type { User } from '../../core/types'
import { t } from '../../i18n'
import { Avatar } from '../Avatar'
import { nameOf } from '../format'
import { useAppState, useMe, usePeopleSearch } from '../hooks'
import { Check, Search, X } from '../icons'
import { isComposing } from '../keys'
import { SearchInput } from '../SearchInput'

interface Props {
  chosen: readonly Person[]
  onChange: (chosen: readonly Person[]) => void
  /** Users who cannot be chosen, because they are members already. */
  members?: ReadonlySet<number>
  autoFocus?: boolean
}

/** A search for users, of whom any number can be chosen. */
export function PeoplePicker({ chosen, onChange, members, autoFocus }: Props) {
  const me = useMe()
  const [query, setQuery] = useState('')
  const { users, failed } = usePeopleSearch(query)
  const chats = useAppState((state) => state.chats)
  const searching = query.trim() !== ''

  const contacts: User[] = []
  for (const chat of chats.values())
    if (chat.peer !== null && chat.peer.user_id !== me.user_id) contacts.push(chat.peer)
  const shown: readonly User[] = searching ? (users ?? []) : contacts
  const ids = new Set(chosen.map((person) => person.user_id))

  const toggle = (person: Person) =>
    onChange(
      ids.has(person.user_id)
        ? chosen.filter((other) => other.user_id !== person.user_id)
        : [...chosen, person],
    )

  return (
    <div className="picker">
      {chosen.length > 0 && (
        <ul className="chips" aria-label={t.group.selected(chosen.length)}>
          {chosen.map((person) => (
            <li key={person.user_id}>
              <button type="button" className="chip" onClick={() => toggle(person)}>
                <bdi title={nameOf(person)}>{nameOf(person)}</bdi>
                <X role="img" aria-label={t.common.remove} />
              </button>
            </li>
          ))}
        </ul>
      )}
      <div className="search">
        <Search aria-hidden />
        <SearchInput
          label={t.group.peopleSearch}
          autoFocus={autoFocus}
          value={query}
          onChange={(e) => setQuery(e.target.value)}
          onKeyDown={(e) => {
            if (e.key !== 'Enter' || isComposing(e.nativeEvent)) return
            // Enter chooses the first result instead of submitting the form.
            e.preventDefault()
            const first = shown.find((user) => !members?.has(user.user_id))
            if (searching && first !== undefined) {
              toggle(first)
              setQuery('')
            }
          }}
        />
      </div>
      <ul className="picker-list">
        {shown.map((user) => {
          const isMember = members?.has(user.user_id) ?? false
          const isChosen = ids.has(user.user_id)
          return (
            <li key={user.user_id}>
              <button
                type="button"
                role="checkbox"
                aria-checked={isChosen || isMember}
                disabled={isMember}
                className="person person-choice"
                onClick={() => toggle(user)}
              >
                <Avatar id={user.user_id} name={nameOf(user)} picture={user.profile_picture} size="s" />
                <span className="person-text">
                  <bdi className="person-name">{nameOf(user)}</bdi>
                  <bdi className="person-more">
                    {isMember ? t.group.alreadyIn : `@${user.username}`}
                  </bdi>
                </span>
                <span className="person-check">{(isChosen || isMember) && <Check aria-hidden />}</span>
              </button>
            </li>
          )
        })}
      </ul>
      {failed !== null ? (
        <p className="dialog-note">{failed}</p>
      ) : searching && users === null ? (
        <p className="dialog-note">{t.chats.searching}</p>
      ) : searching && shown.length === 0 ? (
        <p className="dialog-note">{t.chats.nobody(query.trim())}</p>
      ) : (
        !searching && shown.length === 0 && <p className="dialog-note">{t.group.nobodyKnown}</p>
      )}
    </div>
  )
}
