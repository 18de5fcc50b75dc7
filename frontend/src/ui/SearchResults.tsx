import { lazy, Suspense, useEffect, useRef } from 'react'
import { useLocation } from 'wouter'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Avatar } from './Avatar'
import { ChatRow } from './ChatRow'
import { chatName } from './format'
import { useMe, usePeopleSearch, useSortedChats } from './hooks'

const FoundMessages = lazy(() => import('./search/FoundMessages'))

interface Props {
  query: string
  open: number | null
  /** True if the first result is to be opened. */
  entered: boolean
  onDone: () => void
}

/** The matching chats of the user at once, and users and messages as the server finds them. */
export function SearchResults({ query, open, entered, onDone }: Props) {
  const me = useMe()
  const chats = useSortedChats()
  const [, navigate] = useLocation()
  const { users, failed } = usePeopleSearch(query)
  const needle = query.trim().toLocaleLowerCase()
  const mine = chats.filter(
    (chat) =>
      chatName(chat, me.user_id).toLocaleLowerCase().includes(needle) ||
      chat.peer?.username.includes(needle),
  )
  const notesMatch = t.chats.notes.toLocaleLowerCase().includes(needle)
  const mineIds = new Set(mine.map((chat) => chat.chat_id))
  const others = (users ?? []).filter((user) => !mineIds.has(user.user_id))
  const total = mine.length + others.length
  const frame = useRef<HTMLDivElement>(null)

  useEffect(() => {
    if (!entered) return
    const first = frame.current!.querySelector<HTMLElement>('.row-link')
    if (first === null) return
    first.click()
    // The chat may be open already.
    if (matchMedia('(pointer: fine)').matches) document.getElementById('composer')?.focus()
  }, [entered, total, notesMatch])

  return (
    <div ref={frame}>
      <p className="sr-only" role="status">
        {users !== null && t.chats.results(total)}
      </p>
      {mine.length > 0 && (
        <section>
          <h2 className="list-heading">{t.chats.found}</h2>
          <ul>
            {mine.slice(0, 30).map((chat) => (
              <li key={chat.chat_id}>
                <ChatRow chat={chat} open={chat.chat_id === open} onOpen={onDone} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {notesMatch && !mineIds.has(me.user_id) && (
        <PersonRow
          id={me.user_id}
          name={t.chats.notes}
          more={t.chats.notesMore}
          notes
          onSelect={() => {
            navigate(`/c/${me.user_id}`)
            onDone()
          }}
        />
      )}
      {others.length > 0 && (
        <section>
          <h2 className="list-heading">{t.chats.people}</h2>
          <ul>
            {others.map((user) => (
              <li key={user.user_id}>
                <PersonRow
                  id={user.user_id}
                  name={user.full_name}
                  more={`@${user.username}`}
                  picture={user.profile_picture}
                  onSelect={() => {
                    messenger.people.add(user)
                    navigate(`/c/${user.user_id}`)
                    onDone()
                  }}
                />
              </li>
            ))}
          </ul>
        </section>
      )}
      {failed !== null ? (
        <p className="list-note">{failed}</p>
      ) : users === null ? (
        <p className="list-note">{t.chats.searching}</p>
      ) : (
        total === 0 && !notesMatch && <p className="list-note">{t.chats.nobody(query.trim())}</p>
      )}
      <Suspense>
        <FoundMessages query={query.trim()} />
      </Suspense>
    </div>
  )
}

interface PersonRowProps {
  id: number
  name: string
  more: string
  picture?: string | null
  notes?: boolean
  onSelect: () => void
}

function PersonRow({ id, name, more, picture, notes, onSelect }: PersonRowProps) {
  return (
    <button className="chat-row row-link" onClick={onSelect}>
      <Avatar id={id} name={name} picture={picture} notes={notes ?? false} />
      <span className="chat-row-body">
        <bdi className="chat-row-name">{name}</bdi>
        <bdi className="chat-row-last">{more}</bdi>
      </span>
    </button>
  )
}
