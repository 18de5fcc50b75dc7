import { useState, type FormEvent } from 'react'
import type { Message } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { chatName, messageText } from '../format'
import { useMe, usePeopleSearch, useSortedChats } from '../hooks'
import { Check, Search } from '../icons'
import { SearchInput } from '../SearchInput'
import { Dialog } from './Dialog'

/** A chat, or a user without a chat yet. */
interface Receiver {
  id: number
  name: string
  more?: string
  picture: string | null
  isGroup: boolean
}

/** Chooses the chats that a message is forwarded to. */
export function Forward({ message, onClose }: { message: Message; onClose: () => void }) {
  const [query, setQuery] = useState('')
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const { receivers, failed } = useReceivers(query)

  const toggle = (id: number) => {
    const next = new Set(chosen)
    if (!next.delete(id)) next.add(id)
    setChosen(next)
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    messenger.operations.forward(message, [...chosen])
    messenger.notices.show('info', t.forward.done(chosen.size))
    onClose()
  }

  return (
    <Dialog title={t.forward.title} onClose={onClose}>
      <form className="dialog-form" onSubmit={submit}>
        <div className="dialog-body">
          <p className="forward-text">
            <bdi>{messageText(message)}</bdi>
          </p>
          <div className="search">
            <Search aria-hidden />
            <SearchInput
              label={t.chats.search}
              data-autofocus
              value={query}
              onChange={(event) => setQuery(event.target.value)}
            />
          </div>
          <ul className="picker-list">
            {receivers.map(({ id, name, more, picture, isGroup }) => (
              <li key={id}>
                <button
                  type="button"
                  role="checkbox"
                  aria-checked={chosen.has(id)}
                  className="person person-choice"
                  onClick={() => toggle(id)}
                >
                  <Avatar id={id} name={name} picture={picture} size="s" group={isGroup} />
                  <span className="person-text">
                    <bdi className="person-name">{name}</bdi>
                    {more !== undefined && <bdi className="person-more">{more}</bdi>}
                  </span>
                  <span className="person-check">{chosen.has(id) && <Check aria-hidden />}</span>
                </button>
              </li>
            ))}
          </ul>
          {failed !== null && <p className="dialog-note">{failed}</p>}
          {receivers.length === 0 && <p className="dialog-note">{t.chats.nobody(query.trim())}</p>}
        </div>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button className="button button-main" disabled={chosen.size === 0}>
            {t.forward.send}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

/** The chats that match, and users that the search finds. */
function useReceivers(query: string): { receivers: readonly Receiver[]; failed: string | null } {
  const me = useMe()
  const chats = useSortedChats()
  const { users, failed } = usePeopleSearch(query)
  const needle = query.trim().toLocaleLowerCase()
  const receivers: Receiver[] = []
  for (const chat of chats) {
    const { chat_id: id, kind, peer } = chat
    const name = chatName(chat, me.user_id)
    const isClosed = kind === 'direct' && peer === null && id !== me.user_id
    const matches = name.toLocaleLowerCase().includes(needle) || peer?.username.includes(needle)
    if (!isClosed && matches)
      receivers.push({ id, name, picture: peer?.profile_picture ?? null, isGroup: kind === 'group' })
  }
  const known = new Set(receivers.map(({ id }) => id))
  for (const { user_id: id, full_name, username, profile_picture: picture } of needle === '' ? [] : (users ?? []))
    if (!known.has(id))
      receivers.push({ id, name: full_name || username, more: `@${username}`, picture, isGroup: false })
  return { receivers, failed: needle === '' ? null : failed }
}
