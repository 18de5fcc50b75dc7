import { useCallback, useEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react'
import { useStore } from 'zustand'
import { mayPost } from '../../core/chat'
import { withPending } from '../../core/pending'
import { threadOf } from '../../core/replies'
import type { Message } from '../../core/types'
import { edits, setEdit, setReply, threadKey } from '../../drafts'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Composer } from '../Composer'
import { sameDay } from '../days'
import { useAppState, useMe } from '../hooks'
import { X } from '../icons'
import { isComposing } from '../keys'
import { hasActions, isOwnText, isSameBlock, isStored, keyOf, timeOf, type Item } from '../messages/items'
import { MessageMenu, type MenuTarget } from '../messages/MessageMenu'
import { MessageRow } from '../messages/MessageRow'
import { useReplying } from '../messages/useReplying'
import { useRowNavigation } from '../messages/useRowNavigation'
import { isAtEnd } from '../messages/viewport'

/** The thread of a message, beside its chat; on a narrow screen over it. */
export function ThreadPanel({ message, onClose }: { message: Message; onClose: () => void }) {
  const chatId = message.chat_id
  const messageId = threadOf(message)
  const me = useMe().user_id
  const chat = useAppState((state) => state.chats.get(chatId))
  const thread = useAppState((state) => state.thread)
  const { items, first } = useThread({ chatId, messageId, me })

  useEffect(() => {
    const known = messenger.timeline.get(chatId)?.segments.flatMap(({ messages }) => messages) ?? []
    messenger.thread.open(chatId, messageId, known)
    return () => {
      messenger.thread.close()
      document.getElementById('composer')?.focus()
    }
  }, [chatId, messageId])

  const scroller = useRef<HTMLDivElement>(null)
  const list = useRef(null)
  const follows = useRef(true)
  useEffect(() => {
    if (follows.current) scroller.current!.scrollTop = scroller.current!.scrollHeight
  }, [items])

  const key = threadKey(messageId)
  const mayWrite = chat !== undefined && mayPost(chat, me)
  const isEditing = useStore(edits, (all) => all[key] !== undefined)
  const [menu, setMenu] = useState<MenuTarget | null>(null)
  const openMenu = useCallback((item: Item, rect: DOMRect, row: HTMLElement | null) => {
    if (hasActions(item)) setMenu({ item, rect, row })
  }, [])
  const replying = useReplying({
    canReply: mayWrite,
    reply: (item) => {
      setReply(key, item)
      document.getElementById('thread-composer')?.focus()
    },
  })
  const navigation = useRowNavigation({ list, scroller, items, onMenu: openMenu, onReply: replying.reply })
  const edit = (item: Item | null) => {
    setEdit(key, item && { item, text: item.content ?? '' })
    requestAnimationFrame(() => document.getElementById('thread-composer')?.focus())
  }
  const jumpTo = useCallback((seq: number) => {
    const row = scroller.current?.querySelector<HTMLElement>(`.row[data-seq="${seq}"] .message`)
    row?.scrollIntoView({ block: 'center' })
    row?.focus({ preventScroll: true })
  }, [])
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.defaultPrevented || isComposing(event.nativeEvent)) return
    event.preventDefault()
    onClose()
  }
  const earlier = thread?.more === true && (
    <button className="link-button thread-earlier" onClick={() => messenger.thread.loadEarlier()}>
      {t.thread.earlier}
    </button>
  )

  return (
    <aside className="thread" aria-label={t.thread.title} onKeyDown={onKeyDown}>
      <header className="conversation-head">
        <h2 className="thread-title">{t.thread.title}</h2>
        <button className="icon-button" aria-label={t.thread.close} title={t.thread.close} onClick={onClose}>
          <X aria-hidden />
        </button>
      </header>
      <div
        className="thread-messages"
        ref={scroller}
        role="log"
        aria-label={t.thread.title}
        aria-busy={thread?.state === 'loading'}
        tabIndex={0}
        onScroll={(event) => {
          follows.current = isAtEnd(event.currentTarget)
        }}
        {...navigation}
      >
        {items.map((item, index) => {
          const before = items[index - 1]
          return (
            <div key={keyOf(item)}>
              {index === 1 && earlier}
              <MessageRow
                item={item}
                me={me}
                intro={null}
                isGroup={chat?.kind === 'group'}
                isNotes={chatId === me}
                isNewDay={before === undefined || !sameDay(timeOf(before), timeOf(item))}
                isFirstUnread={false}
                isHighlighted={false}
                continuesBlock={isSameBlock(before, item, me)}
                blockContinues={isSameBlock(item, items[index + 1], me)}
                isRead={false}
                inThread={messageId}
                onMenu={openMenu}
                onQuote={jumpTo}
                onReply={replying.reply}
              />
            </div>
          )
        })}
        {items.length < 2 && earlier}
        {thread?.state === 'failed' && (
          <p className="dialog-note" role="status">
            {t.thread.failed}{' '}
            <button className="link-button" onClick={() => messenger.thread.refresh()}>
              {t.common.retry}
            </button>
          </p>
        )}
      </div>
      {first !== undefined && (mayWrite || isEditing) && (
        <Composer
          chatId={chatId}
          thread={first}
          isNotes={chatId === me}
          onEditLast={() => {
            const mine = items.findLast((item) => isStored(item) && isOwnText(item, me))
            if (mine !== undefined) edit(mine)
          }}
          onDone={() => edit(null)}
          onSent={() => {
            follows.current = true
          }}
        />
      )}
      {menu !== null && chat !== undefined && (
        <MessageMenu
          target={menu}
          chat={chat}
          inThread
          onEdit={edit}
          onReply={replying.reply}
          onClose={() => setMenu(null)}
        />
      )}
    </aside>
  )
}

/** The messages of the thread, and the first one, which a reply names. */
function useThread({ chatId, messageId, me }: { chatId: number; messageId: number; me: number }) {
  const messages = useAppState((state) => (state.thread?.message_id === messageId ? state.thread.messages : null))
  const outbox = useAppState((state) => state.outbox)
  const epoch = useAppState((state) => state.epoch)
  const items = useMemo<readonly Item[]>(() => {
    const ours = outbox.filter((operation) => operation.kind !== 'send' || operation.thread_id === messageId)
    return withPending({ messages: messages ?? [], isLive: true, outbox: ours, chatId, epoch, me })
  }, [messages, outbox, chatId, messageId, epoch, me])
  return { items, first: messages?.find((one) => one.message_id === messageId) }
}
