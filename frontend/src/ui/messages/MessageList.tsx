import { useCallback, useImperativeHandle, useRef, useState, type Ref } from 'react'
import { Virtualizer, type VirtualizerHandle } from 'virtua'
import type { Chat } from '../../core/types'
import { t } from '../../i18n'
import { sameDay } from '../days'
import { useMe } from '../hooks'
import { ChevronDown } from '../icons'
import { hasActions, isSameBlock, isStored, keyOf, timeOf, type Item } from './items'
import { MessageMenu, type MenuTarget } from './MessageMenu'
import { MessageRow } from './MessageRow'
import { useItems } from './useItems'
import { usePaging } from './usePaging'
import { useReadByAll } from './useReadByAll'
import { useReadMarking } from './useReadMarking'
import { useRowNavigation } from './useRowNavigation'
import { useScrollAnchor } from './useScrollAnchor'
import { useUnreadMarker } from './useUnreadMarker'
import type { Viewport } from './viewport'

export interface MessageListHandle {
  /** Scrolls to the end, and removes the unread marker. */
  jumpToEnd(): void
}

interface Props {
  chat: Chat
  onEdit: (item: Item) => void
  ref: Ref<MessageListHandle>
}

export function MessageList({ chat, onEdit, ref }: Props) {
  const me = useMe()
  const id = chat.chat_id
  const { messages, items, loaded, more, loading } = useItems(id)
  const readByAll = useReadByAll(chat)
  const marker = useUnreadMarker({
    chat,
    messages,
    loaded,
    more,
    count: items.length,
    me: me.user_id,
  })

  const scroller = useRef<HTMLDivElement>(null)
  const list = useRef<VirtualizerHandle>(null)
  const [atEnd, setAtEnd] = useState(true)
  const loadOlderIfNear = usePaging(id)
  const markVisibleRead = useReadMarking(id)
  const onViewport = useCallback(
    (viewport: Viewport, shown: readonly Item[]) => {
      setAtEnd(viewport.atEnd)
      loadOlderIfNear(viewport)
      markVisibleRead(viewport, shown)
    },
    [loadOlderIfNear, markVisibleRead],
  )
  const { shift, onScroll, jumpToEnd } = useScrollAnchor({
    list,
    scroller,
    items,
    loaded,
    firstSeq: messages[0]?.seq,
    unreadIndex: marker.index,
    onViewport,
  })

  const jump = () => {
    marker.clear()
    jumpToEnd()
  }
  useImperativeHandle(ref, () => ({ jumpToEnd: jump }))

  const [menu, setMenu] = useState<MenuTarget | null>(null)
  const openMenu = useCallback((item: Item, rect: DOMRect, row: HTMLElement | null) => {
    if (hasActions(item)) setMenu({ item, rect, row })
  }, [])
  const closeMenu = useCallback(() => setMenu(null), [])
  const navigation = useRowNavigation({ list, scroller, items, onMenu: openMenu })

  const atBeginning = loaded && !more
  const intro =
    id === me.user_id
      ? t.conversation.startNotes
      : chat.kind === 'group'
        ? t.conversation.startGroup
        : t.conversation.start

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
            {id !== me.user_id && <p>{t.conversation.hello}</p>}
          </div>
        )}
        <Virtualizer
          ref={list}
          scrollRef={scroller}
          data={items}
          shift={shift}
          bufferSize={600}
          onScroll={onScroll}
        >
          {(item, index) => {
            const before = items[index - 1]
            const after = items[index + 1]
            return (
              <MessageRow
                key={keyOf(item)}
                item={item}
                me={me.user_id}
                intro={index === 0 && atBeginning ? intro : null}
                isGroup={chat.kind === 'group'}
                isNotes={id === me.user_id}
                isNewDay={before === undefined || !sameDay(timeOf(before), timeOf(item))}
                isFirstUnread={index === marker.index}
                continuesBlock={index !== marker.index && isSameBlock(before, item, me.user_id)}
                blockContinues={index + 1 !== marker.index && isSameBlock(item, after, me.user_id)}
                isRead={isStored(item) && readByAll >= item.seq}
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
      {!atEnd && <JumpButton unread={chat.unread} onClick={jump} />}
      {menu !== null && (
        <MessageMenu target={menu} chat={chat} onEdit={onEdit} onClose={closeMenu} />
      )}
    </div>
  )
}

function JumpButton({ unread, onClick }: { unread: number; onClick: () => void }) {
  return (
    <button
      className="jump"
      aria-label={unread > 0 ? t.conversation.jumpCount(unread) : t.conversation.jump}
      title={t.conversation.jump}
      onClick={onClick}
    >
      <ChevronDown aria-hidden />
      {unread > 0 && (
        <span className="badge" aria-hidden>
          {t.numberUpTo(unread, 999)}
        </span>
      )}
    </button>
  )
}
