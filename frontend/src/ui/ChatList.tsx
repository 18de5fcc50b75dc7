import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type RefObject } from 'react'
import { Virtualizer, type VirtualizerHandle } from 'virtua'
import { t } from '../i18n'
import { AccountMenu } from './AccountMenu'
import { ChatRow } from './ChatRow'
import { openDialog } from './dialog_state'
import { useAppState, useSortedChats } from './hooks'
import { Search, SquarePen, X } from './icons'
import { isComposing } from './keys'
import { NotificationCard } from './NotificationCard'
import { SearchInput } from './SearchInput'
import { SearchResults } from './SearchResults'
import { UnsentRow } from './UnsentRow'

/** The sidebar: the chat list, and the search in it. */
export function ChatList({ open }: { open: number | null }) {
  const [query, setQuery] = useState('')
  /** True if Enter was pressed in the search field: the first result opens as soon as there is one. */
  const [entered, setEntered] = useState(false)
  const updating = useAppState((state) => state.catchingUp && state.chatListLoaded)
  const input = useRef<HTMLInputElement>(null)
  const body = useRef<HTMLDivElement>(null)
  const scrollTop = useRef(0)
  const searching = query.trim() !== ''
  const Title = open === null ? 'h1' : 'h2'
  const search = (text: string) => {
    setQuery(text)
    setEntered(false)
  }

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (isComposing(event.nativeEvent)) return
    if (event.key === 'Enter' && event.target === input.current) {
      // Otherwise the key press goes to the message field, which has the focus by then.
      event.preventDefault()
      setEntered(searching)
    } else if (event.key === 'Escape' && query !== '') {
      event.stopPropagation()
      search('')
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
        <SearchInput
          label={t.chats.search}
          id="search"
          ref={input}
          enterKeyHint="search"
          value={query}
          onChange={(e) => search(e.target.value)}
        />
        {query !== '' && (
          <button
            className="icon-button"
            aria-label={t.chats.clearSearch}
            onClick={() => {
              search('')
              input.current?.focus()
            }}
          >
            <X aria-hidden />
          </button>
        )}
      </div>
      <UnsentRow />
      <div
        className="sidebar-body"
        ref={body}
        onScroll={(event) => {
          if (!searching) scrollTop.current = event.currentTarget.scrollTop
        }}
      >
        {searching ? (
          <SearchResults query={query} open={open} entered={entered} onDone={() => search('')} />
        ) : (
          <AllChats open={open} scroller={body} scrollTop={scrollTop} />
        )}
      </div>
      <NotificationCard />
    </nav>
  )
}

interface AllChatsProps {
  open: number | null
  scroller: RefObject<HTMLDivElement | null>
  /** Of the scroller, while it has the list. */
  scrollTop: RefObject<number>
}

function AllChats({ open, scroller, scrollTop }: AllChatsProps) {
  const chats = useSortedChats()
  const loaded = useAppState((state) => state.chatListLoaded)
  const list = useRef<VirtualizerHandle>(null)

  // The position survives a search, whose results replace the list.
  useLayoutEffect(() => {
    if (scrollTop.current > 0) list.current?.scrollTo(scrollTop.current)
  }, [scrollTop])

  // Not when the order changes: the list stays where the user has scrolled it.
  const openIndex = chats.findIndex((chat) => chat.chat_id === open)
  const isListed = openIndex >= 0
  const latestIndex = useRef(openIndex)
  useLayoutEffect(() => {
    latestIndex.current = openIndex
  })
  useEffect(() => {
    // On a phone the list is not visible beside a chat, and keeps its position.
    if (isListed && isVisible(scroller.current!)) list.current?.scrollToIndex(latestIndex.current, { align: 'nearest' })
  }, [open, isListed, loaded, scroller])

  if (chats.length === 0 && !loaded) return <Skeleton />
  if (chats.length === 0)
    return (
      <div className="list-empty">
        <h2>{t.chats.empty}</h2>
        <p>{t.chats.emptyMore}</p>
      </div>
    )
  return (
    <Virtualizer ref={list} as="ul" item="li" data={chats} itemSize={72}>
      {(chat) => <ChatRow key={chat.chat_id} chat={chat} open={chat.chat_id === open} />}
    </Virtualizer>
  )
}

const isVisible = (element: Element) => getComputedStyle(element).visibility === 'visible'

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
