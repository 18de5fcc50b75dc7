import { useEffect, useRef } from 'react'
import { snippet } from '../../core/message_search'
import type { FoundMessage } from '../../core/types'
import { t } from '../../i18n'
import { chatName, dayName, senderName, shortWhen } from '../format'
import { useAppState, useMe } from '../hooks'
import type { MessageSearch } from './useMessageSearch'

interface Props {
  search: MessageSearch
  /** True if all results are of one chat, whose name is left out. */
  inChat: boolean
  onSelect: (message: FoundMessage) => void
}

/** The messages that a search has found, and what is to be known about it. More are loaded when the end is on the screen. */
export function MessageResults({ search, inChat, onSelect }: Props) {
  const { messages, busy, more, searchedTo, incomplete, failed } = search
  const end = useRef<HTMLDivElement>(null)
  const next = useRef(search.next)
  useEffect(() => {
    next.current = search.next
  })
  const count = messages?.length ?? 0

  // Again after each page: the end may still be on the screen.
  useEffect(() => {
    if (!more || busy || failed !== null) return
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) next.current()
    })
    observer.observe(end.current!)
    return () => observer.disconnect()
  }, [more, busy, failed, count])

  return (
    <>
      <ul className="found-list">
        {(messages ?? []).map((message) => (
          <li key={message.message_id}>
            <FoundRow message={message} inChat={inChat} onSelect={onSelect} />
          </li>
        ))}
      </ul>
      <div className="list-note" role="status">
        {failed !== null ? (
          <>
            {failed}{' '}
            {more && (
              <button className="link-button" onClick={search.next}>
                {t.common.retry}
              </button>
            )}
          </>
        ) : busy ? (
          t.chats.searching
        ) : messages === null ? (
          ''
        ) : more ? (
          searchedTo !== null && t.search.searchedTo(dayName(searchedTo))
        ) : count === 0 ? (
          t.search.none
        ) : (
          <span className="sr-only">{t.search.found(count)}</span>
        )}
      </div>
      {incomplete && <p className="list-note">{t.search.incomplete}</p>}
      <div ref={end} />
    </>
  )
}

function FoundRow({ message, inChat, onSelect }: { message: FoundMessage } & Omit<Props, 'search'>) {
  const me = useMe().user_id
  const chat = useAppState((state) => state.chats.get(message.chat_id))
  const people = useAppState((state) => state.people)
  const sender = message.sender_id === me ? t.common.you : senderName(people, message.sender_id)
  const title = inChat || chat === undefined ? sender : chatName(chat, me)
  return (
    <button className="found-row row-link" data-seq={message.seq} onClick={() => onSelect(message)}>
      <span className="found-head">
        <bdi className="found-title">{title}</bdi>
        <time className="found-when" dateTime={message.sent_at}>
          {shortWhen(message.sent_at)}
        </time>
      </span>
      <span className="found-text" dir="auto">
        {!inChat && chat?.kind === 'group' && (
          <>
            <bdi>{sender}</bdi>:{' '}
          </>
        )}
        {snippet(message).map((piece, i) =>
          piece.marked ? <mark key={i}>{piece.text}</mark> : <span key={i}>{piece.text}</span>,
        )}
      </span>
    </button>
  )
}
