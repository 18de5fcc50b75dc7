import { memo, useEffect } from 'react'
import { Link } from 'wouter'
import type { Operation, Outgoing } from '../core/operation'
import { pendingChange, withChange } from '../core/pending'
import type { Chat } from '../core/types'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Avatar } from './Avatar'
import { DeliveryIcon } from './DeliveryIcon'
import { chatName, eventText, fullTime, lineOf, messageText, nameOf, lastSenderName, shortWhen } from './format'
import { useAppState, useDraft, useMe, useTexts } from './hooks'
import { CircleAlert, Clock3 } from './icons'

interface Props {
  chat: Chat
  open: boolean
  onOpen?: () => void
}

export const ChatRow = memo(function ChatRow({ chat, open, onOpen }: Props) {
  useTexts()
  const me = useMe()
  const online = useAppState((state) => state.presence.get(chat.chat_id)?.online)
  const name = chatName(chat, me.user_id)
  const notes = chat.chat_id === me.user_id
  const last = chat.last_message
  return (
    <Link
      href={`/c/${chat.chat_id}`}
      className={`chat-row row-link ${chat.unread > 0 ? 'chat-row-unread' : ''}`}
      aria-current={open ? 'page' : undefined}
      onClick={onOpen}
    >
      <Avatar
        id={chat.chat_id}
        name={name}
        picture={chat.peer?.profile_picture}
        group={chat.kind === 'group'}
        notes={notes}
        online={!notes && chat.peer !== null && online}
      />
      <span className="chat-row-body">
        <span className="chat-row-line">
          <bdi className="chat-row-name" title={name}>
            {name}
          </bdi>
          {last !== null && (
            <time className="chat-row-time" dateTime={last.sent_at} title={fullTime(last.sent_at)}>
              {shortWhen(last.sent_at)}
            </time>
          )}
        </span>
        <span className="chat-row-line">
          <Preview chat={chat} open={open} />
          {chat.unread > 0 && (
            <span className="badge">
              <span aria-hidden>{t.numberUpTo(chat.unread, 999)}</span>
              <span className="sr-only">{t.chats.unread(chat.unread)}</span>
            </span>
          )}
        </span>
      </span>
    </Link>
  )
})

/** The second line: typing, else the draft, else the last message in the outbox, else the last message with its pending change. */
function Preview({ chat, open }: { chat: Chat; open: boolean }) {
  const me = useMe()
  const typing = useAppState((state) => state.typing.get(chat.chat_id))
  const people = useAppState((state) => state.people)
  const queued = useAppState((state) =>
    state.outbox.findLast((e): e is Outgoing => e.kind === 'send' && e.chat_id === chat.chat_id),
  )
  // The draft of the open chat is in the message field, and changes with each key.
  const draft = useDraft(open ? null : chat.chat_id)
  const stored = chat.last_message
  const change = useAppState(({ outbox, epoch }) =>
    stored === null ? undefined : pendingChange(outbox, epoch, stored.message_id),
  )
  const last = stored && withChange(stored, change)

  const sender = last?.sender_name === undefined ? last?.sender_id : null
  useEffect(() => {
    if (sender != null) void messenger.people.lookUp(sender)
  }, [sender])

  if (typing !== undefined) {
    const [first] = typing.keys()
    const words =
      chat.kind === 'group' && typing.size === 1
        ? t.conversation.typingOne(nameOf(people.get(first!)))
        : t.conversation.typing
    return <span className="chat-row-last chat-row-typing">{words}</span>
  }
  if (draft.trim() !== '')
    return (
      <span className="chat-row-last">
        <span className="chat-row-draft">{t.chats.draft}</span> <bdi>{draft.slice(0, 200)}</bdi>
      </span>
    )
  const isLatest = last === null || queued === undefined || queued.created_at > last.sent_at
  if (queued !== undefined && (!queued.refused || isLatest))
    return (
      <span className="chat-row-last">
        <PendingIcon operation={queued} /> <bdi>{lineOf(queued.content)}</bdi>
      </span>
    )
  if (last === null) return <span className="chat-row-last">{t.chats.noMessages}</span>
  if (last.kind !== 'text')
    return <span className="chat-row-last">{eventText(last, people, me.user_id)}</span>
  const mine = last.sender_id === me.user_id
  const notes = chat.chat_id === me.user_id
  return (
    <span className={`chat-row-last ${last.deleted ? 'chat-row-deleted' : ''}`}>
      {change !== undefined && <PendingIcon operation={change} />}
      {change === undefined && mine && !notes && chat.kind === 'direct' && !last.deleted && (
        <DeliveryIcon delivery={(chat.peer_read_seq ?? 0) >= last.seq ? 'read' : 'sent'} />
      )}
      {chat.kind === 'group' && (
        <span className="chat-row-sender">
          {mine ? t.chats.youSaid : `${lastSenderName(people, last)}:`}{' '}
        </span>
      )}
      <bdi>{messageText(last)}</bdi>
    </span>
  )
}

function PendingIcon({ operation }: { operation: Operation }) {
  return operation.refused ? (
    <CircleAlert className="status-failed" role="img" aria-label={t.chats.failed} />
  ) : (
    <Clock3 role="img" aria-label={t.chats.sending} />
  )
}
