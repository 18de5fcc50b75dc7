import { useEffect, useRef, useState, type KeyboardEvent } from 'react'
import { useLocation } from 'wouter'
import { startOfDay, type MessageQuery } from '../../core/message_search'
import type { Chat, FoundMessage } from '../../core/types'
import { t } from '../../i18n'
import { placeIn } from '../../places'
import { nameOf } from '../format'
import { useAppState, useMe } from '../hooks'
import { RotateCcw, Search, X } from '../icons'
import { isComposing } from '../keys'
import { SearchInput } from '../SearchInput'
import { MessageResults } from './MessageResults'
import { useMessageSearch } from './useMessageSearch'

/** Days as the browser gives them. */
type Filters = Omit<MessageQuery, 'q' | 'chat_id'>

const queryOf = (chat_id: number, q: string, { after, before, ...rest }: Filters): MessageQuery => ({
  ...rest,
  ...(after !== undefined && { after: startOfDay(after) }),
  ...(before !== undefined && { before: startOfDay(before) }),
  q,
  chat_id,
})

interface Props {
  chat: Chat
  onClose: () => void
}

/** The search in a chat, above its messages. A result is shown in its place, and the reader can go back to where they were. */
export default function ChatSearch({ chat, onClose }: Props) {
  const me = useMe().user_id
  const id = chat.chat_id
  const [, navigate] = useLocation()
  const [q, setQ] = useState('')
  const [filters, setFilters] = useState<Filters>({})
  /** Where the reader was before the first result; null: nowhere else. */
  const [origin, setOrigin] = useState<number | null>(null)
  const [isListed, setListed] = useState(true)
  const search = useMessageSearch(queryOf(id, q, filters))
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => input.current!.focus(), [])

  const change = (next: Filters) => {
    setFilters(next)
    setListed(true)
  }
  const select = (message: FoundMessage) => {
    if (origin === null) setOrigin(placeIn(me, id)?.seq ?? chat.last_seq)
    navigate(`/c/${id}/${message.seq}`)
    if (matchMedia('(max-width: 45em)').matches) setListed(false)
  }
  const goBack = () => {
    if (origin !== null) navigate(`/c/${id}/${origin}`)
    setOrigin(null)
  }
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (isComposing(event.nativeEvent)) return
    if (event.key === 'Escape') {
      event.preventDefault()
      event.stopPropagation()
      onClose()
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const rows = [...event.currentTarget.querySelectorAll<HTMLElement>('.row-link')]
      const from = rows.indexOf(event.target as HTMLElement)
      // In a filter the keys change its value.
      if (from < 0 && event.target !== input.current) return
      const next = rows[from + (event.key === 'ArrowDown' ? 1 : -1)] ?? (from === 0 ? input.current : null)
      event.preventDefault()
      next?.focus()
    }
  }

  const isEmpty = search.messages === null && !search.busy
  return (
    <section className="chat-search" role="search" aria-label={t.search.inChat} onKeyDown={onKeyDown}>
      <div className="chat-search-bar">
        <Search aria-hidden />
        <SearchInput
          label={t.search.inChat}
          ref={input}
          enterKeyHint="search"
          value={q}
          onFocus={() => setListed(true)}
          onChange={(e) => {
            setQ(e.target.value)
            setListed(true)
          }}
        />
        {origin !== null && (
          <button className="icon-button" aria-label={t.search.goBack} title={t.search.goBack} onClick={goBack}>
            <RotateCcw aria-hidden className="mirrored" />
          </button>
        )}
        <button className="icon-button" aria-label={t.search.close} title={t.search.close} onClick={onClose}>
          <X aria-hidden />
        </button>
      </div>
      <FilterChips chat={chat} filters={filters} onChange={change} />
      {isListed && !isEmpty && (
        <div className="chat-search-results">
          <MessageResults search={search} inChat onSelect={select} />
        </div>
      )}
    </section>
  )
}

interface FilterProps {
  chat: Chat
  filters: Filters
  onChange: (filters: Filters) => void
}

function FilterChips({ chat, filters, onChange }: FilterProps) {
  const me = useMe()
  const people = useAppState((state) => state.people)
  const group = useAppState((state) => state.groups.get(chat.chat_id))
  const members =
    chat.kind === 'group' ? (group?.members ?? []).map((m) => m.user_id) : [chat.chat_id, me.user_id]
  const set = (name: keyof Filters, value: string | number) => {
    const { [name]: _, ...rest } = filters
    onChange(value === '' ? rest : { ...rest, [name]: value })
  }
  return (
    <div className="chips">
      <label className="chip" data-on={filters.from !== undefined}>
        <span className="sr-only">{t.search.from}</span>
        <select value={filters.from ?? ''} onChange={(e) => set('from', e.target.value && Number(e.target.value))}>
          <option value="">{t.search.anybody}</option>
          {[...new Set(members)].map((id) => (
            <option key={id} value={id}>
              {id === me.user_id ? t.common.you : nameOf(people.get(id))}
            </option>
          ))}
        </select>
      </label>
      <label className="chip" data-on={filters.after !== undefined}>
        {t.search.after}
        <input type="date" value={filters.after ?? ''} onChange={(e) => set('after', e.target.value)} />
      </label>
      <label className="chip" data-on={filters.before !== undefined}>
        {t.search.before}
        <input type="date" value={filters.before ?? ''} onChange={(e) => set('before', e.target.value)} />
      </label>
      <button
        className="chip"
        data-on={filters.has !== undefined}
        aria-pressed={filters.has !== undefined}
        onClick={() => set('has', filters.has === undefined ? 'link' : '')}
      >
        {t.search.links}
      </button>
    </div>
  )
}
