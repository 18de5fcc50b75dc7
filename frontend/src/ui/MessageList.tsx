import { ChevronDown } from './icons'
import {
  useCallback,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type Ref,
} from 'react'
import { Virtualizer, type VirtualizerHandle } from 'virtua'
import { indexOfSeq } from '../core/history'
import type { Outgoing } from '../core/outbox'
import type { Chat, Message } from '../core/types'
import { t } from '../i18n'
import { isWatched, messenger } from '../platform'
import { sameDay } from './format'
import { useApp, useMe } from './hooks'
import { MessageMenu, hasActions, type MenuTarget } from './MessageMenu'
import { MessageRow } from './MessageRow'

/** What a row shows: a message, or one of ours on its way. */
export type Item = Message | Outgoing

export const isSent = (item: Item): item is Message => 'message_id' in item
/** The same before and after the ack, so that the row stays where it is. */
export const keyOf = (item: Item) => item.client_id ?? `m${(item as Message).message_id}`
export const timeOf = (item: Item) => (isSent(item) ? item.sent_at : item.created_at)

export interface MessageListHandle {
  jump(): void
}

interface Props {
  chat: Chat
  onEdit: (message: Message) => void
  ref: Ref<MessageListHandle>
}

/** Closer to the end than this, in px, and the list follows what arrives. */
const NEAR_END = 80
/** With fewer rows than this above the screen, earlier ones are fetched. */
const AHEAD = 20
/** Messages of one sender within this time stand together. */
const TOGETHER_MS = 5 * 60_000

const NONE: readonly Message[] = []

export function MessageList({ chat, onEdit, ref }: Props) {
  const me = useMe()
  const id = chat.chat_id
  const messages = useApp((state) => state.histories.get(id)?.messages ?? NONE)
  const loaded = useApp((state) => state.histories.get(id)?.loaded ?? false)
  const more = useApp((state) => state.histories.get(id)?.more ?? false)
  const loading = useApp((state) => (state.histories.get(id)?.strays ?? null) !== null)
  const outbox = useApp((state) => state.outbox)
  const allRead = useAllRead(chat)
  const intro =
    id === me.user_id
      ? t.conversation.startNotes
      : chat.kind === 'group'
        ? t.conversation.startGroup
        : t.conversation.start
  const [menu, setMenu] = useState<MenuTarget | null>(null)

  const items = useMemo<readonly Item[]>(() => {
    const pending = outbox.filter((entry) => entry.chat_id === id)
    return pending.length === 0 ? messages : [...messages, ...pending]
  }, [messages, outbox, id])

  // Where the unread ones began when the chat was opened, or when its reader looked away.
  const [marker, setMarker] = useState<number | null>(null)
  const [begun, setBegun] = useState(false)
  const readSeq = chat.read_seq
  if (loaded && !begun) {
    setBegun(true)
    if (chat.unread > 0) setMarker(readSeq)
  }
  const markerIndex = useMemo(() => {
    if (marker === null) return -1
    const first = messages[0]
    if (first === undefined || (first.seq > marker + 1 && more)) return -1
    let index = indexOfSeq(messages, marker + 1)
    while (index < messages.length && messages[index]!.sender_id === me.user_id) index++
    return index < messages.length ? index : -1
  }, [marker, messages, more, me.user_id])

  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useRef<VirtualizerHandle>(null)
  const following = useRef(true)
  const offset = useRef(0)
  const placed = useRef(false)
  const [atEnd, setAtEnd] = useState(true)

  const toEnd = useCallback(() => {
    const count = itemsRef.current.length
    if (count > 0) virtual.current?.scrollToIndex(count - 1, { align: 'end' })
  }, [])

  const itemsRef = useRef(items)
  useLayoutEffect(() => {
    itemsRef.current = items
  })

  // Earlier messages were put in front: the list must keep its place from the end.
  const firstSeq = messages[0]?.seq
  const lastFirst = useRef(firstSeq)
  const shift =
    firstSeq !== undefined && lastFirst.current !== undefined && firstSeq < lastFirst.current
  useLayoutEffect(() => {
    lastFirst.current = firstSeq
  }, [firstSeq])

  // The first look: at the first unread one, else at the end.
  useLayoutEffect(() => {
    if (placed.current || !loaded || items.length === 0) return
    placed.current = true
    if (markerIndex > 0) {
      following.current = false
      virtual.current?.scrollToIndex(markerIndex, { align: 'start', offset: -90 })
    } else toEnd()
  }, [loaded, items, markerIndex, toEnd])

  // Something was added at the end.
  const lastKey = items.length > 0 ? keyOf(items.at(-1)!) : null
  const count = useRef(items.length)
  useLayoutEffect(() => {
    if (placed.current && following.current) toEnd()
  }, [lastKey, toEnd])
  useEffect(() => {
    if (items.length > count.current && begun && !isWatched() && chat.unread > 0)
      setMarker((known) => known ?? readSeq)
    count.current = items.length
  }, [items.length, begun, chat.unread, readSeq])

  /** What is on the screen has been seen, if there is somebody who looks. */
  const look = useCallback(() => {
    const view = virtual.current
    if (view === null || !placed.current) return
    const fromEnd = view.scrollSize - view.scrollOffset - view.viewportSize
    setAtEnd(fromEnd < NEAR_END)
    const top = view.findItemIndex(view.scrollOffset)
    if (top < AHEAD) void messenger.loadOlder(id)
    if (!isWatched()) return
    let bottom = view.findItemIndex(view.scrollOffset + view.viewportSize - 24)
    if (fromEnd < NEAR_END) bottom = itemsRef.current.length - 1
    for (let i = bottom; i >= 0; i--) {
      const item = itemsRef.current[i]
      if (item !== undefined && isSent(item)) {
        messenger.read(id, item.seq)
        return
      }
    }
  }, [id])

  useEffect(() => {
    const frame = requestAnimationFrame(look)
    return () => cancelAnimationFrame(frame)
  }, [items, look])

  useEffect(() => {
    const seen = () => look()
    addEventListener('focus', seen)
    document.addEventListener('visibilitychange', seen)
    return () => {
      removeEventListener('focus', seen)
      document.removeEventListener('visibilitychange', seen)
    }
  }, [look])

  // The field below grows, a keyboard comes up, a row is measured: the end stays the end.
  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (following.current) toEnd()
      look()
    })
    observer.observe(scroller.current!)
    return () => observer.disconnect()
  }, [toEnd, look])

  const scrolled = () => {
    const view = virtual.current
    if (view === null) return
    // On its way to the end it may be far from it for a moment; only a move up leaves it.
    if (view.scrollSize - view.scrollOffset - view.viewportSize < NEAR_END) following.current = true
    else if (view.scrollOffset < offset.current - 1) following.current = false
    offset.current = view.scrollOffset
    look()
  }

  const jump = useCallback(() => {
    following.current = true
    setMarker(null)
    toEnd()
  }, [toEnd])
  useImperativeHandle(ref, () => ({ jump }), [jump])

  const openMenu = useCallback((item: Item, rect: DOMRect, row: HTMLElement | null) => {
    if (hasActions(item)) setMenu({ item, rect, row })
  }, [])
  const closeMenu = useCallback(() => setMenu(null), [])

  const walk = (event: KeyboardEvent<HTMLDivElement>) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return
    const row = (event.target as HTMLElement).closest<HTMLElement>('.message')
    const at = row === null ? -1 : items.findIndex((item) => keyOf(item) === row.dataset.key)
    const target = { ArrowUp: at < 0 ? items.length - 1 : at - 1, ArrowDown: at + 1, Home: 0, End: items.length - 1 }[event.key]
    if (target !== undefined && target >= 0 && target < items.length) {
      event.preventDefault()
      focusRow(target)
    } else if ((event.key === 'Enter' || event.key === ' ') && row !== null && event.target === row) {
      event.preventDefault()
      openMenu(items[at]!, row.querySelector('.bubble')?.getBoundingClientRect() ?? row.getBoundingClientRect(), row)
    }
  }

  const focusRow = (index: number) => {
    const key = keyOf(items[index]!)
    virtual.current?.scrollToIndex(index, { align: 'nearest' })
    const seek = (tries: number) => {
      const row = scroller.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)
      if (row) row.focus({ preventScroll: true })
      else if (tries > 0) requestAnimationFrame(() => seek(tries - 1))
    }
    seek(10)
  }

  return (
    <div className="messages-frame">
      <div
        className="messages"
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label={t.conversation.messages}
        aria-busy={!loaded}
        tabIndex={0}
        onKeyDown={walk}
        onFocus={(event) => openRow(event.target, 0)}
        onBlur={(event) => openRow(event.target, -1)}
      >
        {items.length > 0 && <div className="messages-fill" />}
        {loaded && !more && items.length === 0 && (
          <div className="beginning beginning-empty">
            <p>{intro}</p>
            {id !== me.user_id && <p>{t.conversation.hello}</p>}
          </div>
        )}
        <Virtualizer
          ref={virtual}
          scrollRef={scroller}
          data={items}
          shift={shift}
          bufferSize={600}
          onScroll={scrolled}
        >
          {(item, index) => {
            const before = items[index - 1]
            const after = items[index + 1]
            return (
              <MessageRow
                key={keyOf(item)}
                item={item}
                me={me.user_id}
                intro={index === 0 && loaded && !more ? intro : null}
                group={chat.kind === 'group'}
                notes={id === me.user_id}
                newDay={before === undefined || !sameDay(timeOf(before), timeOf(item))}
                unreadHere={index === markerIndex}
                joinsBefore={index !== markerIndex && together(before, item, me.user_id)}
                joinsAfter={index + 1 !== markerIndex && together(item, after, me.user_id)}
                read={isSent(item) && allRead >= item.seq}
                onMenu={openMenu}
              />
            )
          }}
        </Virtualizer>
      </div>
      {loading && loaded && (
        <p className="messages-loading" role="status">
          <span className="spinner" aria-hidden /> {t.conversation.loadingOlder}
        </p>
      )}
      {!loaded && (
        <div className="messages-first" role="status" aria-label={t.common.loading}>
          <span className="spinner" aria-hidden />
        </div>
      )}
      {!atEnd && (
        <button
          className="jump"
          aria-label={chat.unread > 0 ? t.conversation.jumpCount(chat.unread) : t.conversation.jump}
          title={t.conversation.jump}
          onClick={jump}
        >
          <ChevronDown aria-hidden />
          {chat.unread > 0 && (
            <span className="badge" aria-hidden>
              {chat.unread > 999 ? '999+' : chat.unread}
            </span>
          )}
        </button>
      )}
      {menu !== null && (
        <MessageMenu target={menu} chat={chat} onEdit={onEdit} onClose={closeMenu} />
      )}
    </div>
  )
}

/**
 * The list is one stop of the Tab key, not one for each link in it: what is inside a row can be
 * reached while the row has the focus.
 */
function openRow(target: EventTarget, tabIndex: 0 | -1): void {
  const row = (target as Element).closest('.message')
  for (const inner of row?.querySelectorAll<HTMLElement>('[data-inner]') ?? [])
    inner.tabIndex = tabIndex
}

/** Whether two neighbours stand together as one block. */
function together(a: Item | undefined, b: Item | undefined, me: number): boolean {
  if (a === undefined || b === undefined) return false
  const senderOf = (item: Item) => (isSent(item) ? (item.kind === 'text' ? item.sender_id : NaN) : me)
  return (
    senderOf(a) === senderOf(b) &&
    sameDay(timeOf(a), timeOf(b)) &&
    Date.parse(timeOf(b)) - Date.parse(timeOf(a)) < TOGETHER_MS
  )
}

/** Everybody else has read up to here. */
function useAllRead(chat: Chat): number {
  const me = useMe()
  const group = useApp((state) => state.groups.get(chat.chat_id))
  return useMemo(() => {
    if (chat.kind === 'direct') return chat.peer_read_seq ?? 0
    const others = group?.members.filter((member) => member.user_id !== me.user_id) ?? []
    return others.length === 0 ? 0 : Math.min(...others.map((member) => member.read_seq))
  }, [chat.kind, chat.peer_read_seq, group, me.user_id])
}
