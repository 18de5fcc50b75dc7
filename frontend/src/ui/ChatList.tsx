import { useRef, useState, type KeyboardEvent } from 'react'
import { useLocation } from 'wouter'
import { Virtualizer } from 'virtua'
import { t } from '../i18n'
import { messenger } from '../platform'
import { AccountMenu } from './AccountMenu'
import { Avatar } from './Avatar'
import { ChatRow } from './ChatRow'
import { openDialog } from './dialog_state'
import { chatName } from './format'
import { useAppState, useMe, usePeopleSearch, useSortedChats } from './hooks'
import { Search, SquarePen, X } from './icons'
import { NotificationCard } from './NotificationCard'

/** The sidebar: the chat list, and the search in it. */
export function ChatList({ open }: { open: number | null }) {
  const [query, setQuery] = useState('')
  const updating = useAppState((state) => state.catchingUp && state.chatListLoaded)
  const input = useRef<HTMLInputElement>(null)
  const body = useRef<HTMLDivElement>(null)
  const searching = query.trim() !== ''
  const Title = open === null ? 'h1' : 'h2'

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.key === 'Escape' && query !== '') {
      event.stopPropagation()
      setQuery('')
      input.current?.focus()
    } else if (event.key === 'Escape') {
      document.getElementById('composer')?.focus()
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (event.altKey) return
      moveFocus(event, event.key === 'ArrowDown' ? 1 : -1)
    }
  }

  /** Moves the focus through the search field and the rows. */
  const moveFocus = (event: KeyboardEvent, by: 1 | -1) => {
    const rows = [...(body.current?.querySelectorAll<HTMLElement>('.row-link') ?? [])]
    const at = rows.indexOf(document.activeElement as HTMLElement)
    const next = at + by < 0 ? input.current : rows[at + by]
    event.preventDefault()
    next?.focus()
    next?.scrollIntoView({ block: 'nearest' })
  }

  return (
    <nav className="sidebar" aria-label={t.chats.label} onKeyDown={onKeyDown}>
      <header className="sidebar-head">
        <AccountMenu />
        <Title className="sidebar-title">
          {t.appName}
          <span className="sidebar-updating" aria-hidden={!updating}>
            {updating ? t.connection.updating : ''}
          </span>
        </Title>
        <button
          className="icon-button"
          aria-label={t.chats.newGroup}
          title={t.chats.newGroup}
          onClick={() => openDialog({ kind: 'new_group' })}
        >
          <SquarePen aria-hidden />
        </button>
      </header>
      <div className="search" role="search">
        <Search aria-hidden />
        <input
          id="search"
          ref={input}
          type="text"
          dir={query === '' ? undefined : 'auto'}
          inputMode="search"
          enterKeyHint="search"
          autoComplete="off"
          spellCheck={false}
          aria-label={t.chats.search}
          placeholder={t.chats.search}
          value={query}
          onChange={(e) => setQuery(e.target.value)}
        />
        {query !== '' && (
          <button
            className="icon-button"
            aria-label={t.chats.clearSearch}
            onClick={() => {
              setQuery('')
              input.current?.focus()
            }}
          >
            <X aria-hidden />
          </button>
        )}
      </div>
      <div className="sidebar-body" ref={body}>
        {searching ? (
          <Results query={query} open={open} onDone={() => setQuery('')} />
        ) : (
          <AllChats open={open} />
        )}
      </div>
      <NotificationCard />
    </nav>
  )
}

function AllChats({ open }: { open: number | null }) {
  const chats = useSortedChats()
  const loaded = useAppState((state) => state.chatListLoaded)
  if (chats.length === 0 && !loaded) return <Skeleton />
  if (chats.length === 0)
    return (
      <div className="list-empty">
        <h2>{t.chats.empty}</h2>
        <p>{t.chats.emptyMore}</p>
      </div>
    )
  return (
    <Virtualizer as="ul" item="li" data={chats} itemSize={72}>
      {(chat) => <ChatRow key={chat.chat_id} chat={chat} open={chat.chat_id === open} />}
    </Virtualizer>
  )
}

function Skeleton() {
  return (
    <div className="skeleton" role="status" aria-label={t.common.loading}>
      {Array.from({ length: 6 }, (_, i) => (
        <div key={i} className="skeleton-row">
          <span />
          <div>
            <i />
            <i />
          </div>
        </div>
      ))}
    </div>
  )
}

interface ResultsProps {
  query: string
  open: number | null
  onDone: () => void
}

/** The matching chats of the user at once, and users as the server finds them. */
function Results({ query, open, onDone }: ResultsProps) {
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

  return (
    <>
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
                  name={user.full_name || user.username}
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
    </>
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
