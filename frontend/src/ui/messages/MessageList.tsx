import { useCallback, useEffect, useImperativeHandle, useRef, useState, type Ref } from 'react'
import { Virtualizer, type VirtualizerHandle } from 'virtua'
import { messageAt, segmentAt } from '../../core/history'
import { indexOfSeq } from '../../core/merging'
import type { Chat } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import type { Place } from '../../places'
import { sameDay } from '../days'
import { useAppState, useMe } from '../hooks'
import { openPath } from '../navigation'
import { FloatingDate, type FloatingDateHandle } from './FloatingDate'
import { hasActions, isSameBlock, isStored, keyOf, timeOf, type Item } from './items'
import { NewestButton, UnreadButtons } from './JumpButtons'
import { MessageMenu, type MenuTarget } from './MessageMenu'
import { MessageRow } from './MessageRow'
import { useLink } from './useLink'
import { usePlace } from './usePlace'
import { useReadByAll } from './useReadByAll'
import { useReading } from './useReading'
import { useRowNavigation } from './useRowNavigation'
import { useScrollAnchor } from './useScrollAnchor'
import { useUnreadMarker } from './useUnreadMarker'
import { firstUnreadPlace, linkedPlace, useView } from './useView'
import type { Viewport } from './viewport'

export interface MessageListHandle {
  /** The user sent a message: scrolls to it, unless there are unread messages between. */
  sent(): void
}

interface Props {
  chat: Chat
  /** The message that a link names; null if none. */
  linkedSeq: number | null
  onEdit: (item: Item) => void
  onReply: (item: Item) => void
  ref: Ref<MessageListHandle>
}

/** What is on the screen. */
interface Screen {
  atEnd: boolean
  /** Where the first unread message is; null if it is on the screen, or if there is none. */
  unread: 'above' | 'below' | null
}

export function MessageList({ chat, linkedSeq, onEdit, onReply, ref }: Props) {
  const me = useMe().user_id
  const id = chat.chat_id
  const view = useView(chat, me, linkedSeq)
  const { segment, messages, items, isLive } = view
  const loaded = segment !== undefined
  const readByAll = useReadByAll(chat)
  const [screen, setScreen] = useState<Screen>({ atEnd: true, unread: null })
  const marker = useUnreadMarker({ chat, segment, me, atEnd: screen.atEnd })

  const scroller = useRef<HTMLDivElement>(null)
  const list = useRef<VirtualizerHandle>(null)
  const date = useRef<FloatingDateHandle>(null)
  const reading = useReading(id, me)
  const keepPlace = usePlace(me, id)
  const onViewport = (viewport: Viewport) => {
    const { first, last, offset, atEnd, showsDay } = viewport
    const place = atEnd || first === null ? null : { seq: first, offset }
    reading.read(viewport)
    keepPlace(place)
    view.moved(place)
    if (first !== null && last !== null) messenger.timeline.viewed(id, first, last)
    const { chats, histories } = messenger.store.getState()
    const sentAt = messageAt(histories.get(id), first ?? 0)?.sent_at
    date.current?.show(atEnd || showsDay ? null : (sentAt ?? null))
    const { read_seq, unread } = chats.get(id) ?? chat
    const isAbove = first !== null && read_seq + 1 < first
    const isBelow = last !== null && read_seq + 1 > last
    const side = unread === 0 ? null : isAbove ? 'above' : isBelow ? 'below' : null
    setScreen((known) =>
      known.atEnd === atEnd && known.unread === side ? known : { atEnd, unread: side },
    )
  }
  const anchor = useScrollAnchor({
    list,
    scroller,
    items,
    messages,
    isLive,
    loaded,
    target: view.target,
    viewKey: view.key,
    firstUnseen: reading.firstUnseen,
    onViewport,
  })
  const { report } = anchor
  const threadOpen = useAppState((state) => state.thread !== null)
  useEffect(report, [chat.unread, chat.read_seq, threadOpen, report])

  const jump = (place: Place | null) => {
    if (place === null) reading.skipTo(chat.last_seq)
    const there = segmentAt(messenger.timeline.get(id), place?.seq ?? null)
    const isHere = there !== undefined && there === segment
    // A message that is newer than all that are loaded may be on its way.
    if (!isHere || (place !== null && place.seq > (messages.at(-1)?.seq ?? 0))) view.open(place)
    else if (place === null) anchor.scrollToEnd()
    else anchor.scrollTo(place)
    // The button that was pressed may disappear.
    if (document.activeElement?.closest('.jump, .jump-unread')) scroller.current?.focus({ preventScroll: true })
  }
  const highlighted = useLink(id, linkedSeq, loaded, (seq) => jump(linkedPlace(seq)))
  const highlightedIndex =
    highlighted === null ? -1 : Math.min(indexOfSeq(messages, highlighted), messages.length - 1)

  useImperativeHandle(ref, () => ({
    sent: () => {
      if (chat.unread > 0 && !anchor.isFollowing()) return
      if (chat.unread === 0) marker.clear()
      jump(null)
    },
  }))

  const [menu, setMenu] = useState<MenuTarget | null>(null)
  const openMenu = useCallback((item: Item, rect: DOMRect, row: HTMLElement | null) => {
    if (hasActions(item)) setMenu({ item, rect, row })
  }, [])
  const closeMenu = useCallback(() => setMenu(null), [])
  const navigation = useRowNavigation({ list, scroller, items, onMenu: openMenu, onReply })
  const goTo = useCallback((seq: number) => openPath(`/c/${id}/${seq}`), [id])

  const atBeginning = segment?.from === 1
  const intro =
    id === me
      ? t.conversation.startNotes
      : chat.kind === 'group'
        ? t.conversation.startGroup
        : t.conversation.start
  const unreadButtons = screen.unread !== null && chat.unread > 0 && (
    <UnreadButtons
      unread={chat.unread}
      side={screen.unread}
      onJump={() => jump(firstUnreadPlace(chat))}
      onMarkRead={() => messenger.operations.read(id, chat.last_seq)}
    />
  )

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
        {...navigation}
      >
        {items.length > 0 && <div className="messages-fill" />}
        {atBeginning && items.length === 0 && (
          <div className="beginning beginning-empty">
            <p>{intro}</p>
            {id !== me && <p>{t.conversation.hello}</p>}
          </div>
        )}
        <Virtualizer
          key={view.key}
          ref={list}
          scrollRef={scroller}
          data={items}
          shift={anchor.shift}
          bufferSize={600}
          onScroll={anchor.onScroll}
          onResize={anchor.onResize}
        >
          {(item, index) => {
            const before = items[index - 1]
            const after = items[index + 1]
            return (
              <MessageRow
                key={keyOf(item)}
                item={item}
                me={me}
                intro={index === 0 && atBeginning ? intro : null}
                isGroup={chat.kind === 'group'}
                isNotes={id === me}
                isNewDay={before === undefined || !sameDay(timeOf(before), timeOf(item))}
                isFirstUnread={index === marker.index}
                isHighlighted={index === highlightedIndex}
                continuesBlock={index !== marker.index && isSameBlock(before, item, me)}
                blockContinues={index + 1 !== marker.index && isSameBlock(item, after, me)}
                isRead={isStored(item) && readByAll >= item.seq}
                onMenu={openMenu}
                onQuote={goTo}
                onReply={onReply}
              />
            )
          }}
        </Virtualizer>
      </div>
      <div className="messages-top">
        <FloatingDate ref={date} />
        {screen.unread === 'above' && unreadButtons}
        {view.loading && loaded && (
          <p className="messages-loading" role="status">
            <span className="spinner" aria-hidden /> {t.common.loading}
          </p>
        )}
      </div>
      {!loaded && (
        <div className="messages-first" role="status" aria-label={t.common.loading}>
          <span className="spinner" aria-hidden />
        </div>
      )}
      {screen.unread === 'below' && unreadButtons}
      {!(screen.atEnd && isLive) && <NewestButton unread={chat.unread} onJump={() => jump(null)} />}
      {menu !== null && (
        <MessageMenu target={menu} chat={chat} onEdit={onEdit} onReply={onReply} onClose={closeMenu} />
      )}
    </div>
  )
}
