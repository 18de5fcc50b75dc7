import { memo, type MouseEvent, type ReactNode } from 'react'
import type { Refusable } from '../../core/operation'
import { isDeletedAccount, type Person } from '../../core/state'
import { isEmojiOnly } from '../../core/text'
import type { Message } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { DeliveryIcon, type Delivery } from '../DeliveryIcon'
import { openDialog } from '../dialog_state'
import { codeText, dayName, eventText, fullTime, nameOf, senderName, time } from '../format'
import { useAppState, useTexts } from '../hooks'
import { Ellipsis } from '../icons'
import { hasActions, isStored, keyOf, pendingOf, timeOf, type Item } from './items'
import { MessageText } from './MessageText'
import { Reactions } from './Reactions'
import { ForwardedLine, Quote, RepliesButton } from './Relations'
import { useSwipe } from './useSwipe'

interface Props {
  item: Item
  me: number
  /** The text above the first message of a conversation; null for other messages. */
  intro: string | null
  isGroup: boolean
  /** True in the chat of a user with themselves. */
  isNotes: boolean
  isNewDay: boolean
  isFirstUnread: boolean
  /** True for a moment if a link names it. */
  isHighlighted: boolean
  /** True if this item and the previous one form a block. */
  continuesBlock: boolean
  /** True if this item and the next one form a block. */
  blockContinues: boolean
  /** True if all other members have read it. */
  isRead: boolean
  /** In the panel of a thread: its first message. */
  inThread?: number
  onMenu: (item: Item, rect: DOMRect, row: HTMLElement | null) => void
  /** Goes to a message that another one quotes. */
  onQuote: (seq: number) => void
  onReply: (item: Item) => void
}

export const MessageRow = memo(function MessageRow(props: Props) {
  useTexts()
  const { item, intro, isNewDay, isFirstUnread, isHighlighted } = props
  return (
    <div className={isHighlighted ? 'row row-highlighted' : 'row'} data-seq={isStored(item) ? item.seq : undefined}>
      {intro !== null && <p className="beginning">{intro}</p>}
      {isNewDay && (
        <p className="day">
          <time dateTime={timeOf(item)}>{dayName(timeOf(item))}</time>
        </p>
      )}
      {isFirstUnread && (
        <p className="unread-line">
          <span>{t.conversation.newMessages}</span>
        </p>
      )}
      {isStored(item) && item.kind !== 'text' ? <Event message={item} me={props.me} /> : <Bubble {...props} />}
    </div>
  )
})

function Event({ message, me }: { message: Message; me: number }) {
  const people = useAppState((state) => state.people)
  return (
    <p className="event message" data-key={keyOf(message)} tabIndex={-1}>
      <bdi title={fullTime(message.sent_at)}>{eventText(message, people, me)}</bdi>
    </p>
  )
}

function Bubble(props: Props) {
  const { item, me, isGroup, isNotes, continuesBlock, blockContinues, isRead, inThread, onMenu } = props
  const stored = isStored(item)
  const senderId = stored ? item.sender_id : me
  const mine = senderId === me
  const sender = useAppState((state) => (senderId === null ? undefined : state.people.get(senderId)))
  const people = useAppState((state) => state.people)
  const name = mine ? t.common.you : senderName(people, senderId)
  const deleted = stored && (item.deleted || item.content == null)
  const content = deleted ? '' : (item.content ?? '')
  const emojiOnly = !deleted && isEmojiOnly(content)
  const pending = pendingOf(item)
  const refused = pending?.refused
  const from = stored ? item.forwarded_from : item.forward?.from
  // In a thread every message replies to the first one, unless it says otherwise.
  const reply = item.reply?.message_id === inThread ? null : item.reply
  const swipe = useSwipe(() => props.onReply(item))
  const delivery: Delivery = pending ? (refused ? 'failed' : 'waiting') : isRead ? 'read' : 'sent'

  const classes = [
    'message',
    mine ? 'mine' : 'theirs',
    continuesBlock ? 'continues-block' : '',
    blockContinues ? 'block-continues' : '',
    refused ? 'refused' : '',
  ].join(' ')

  const open = (target: HTMLElement) =>
    onMenu(item, target.getBoundingClientRect(), target.closest<HTMLElement>('.message'))

  return (
    <div
      className={classes}
      data-key={keyOf(item)}
      role="article"
      aria-label={`${name}, ${time(timeOf(item))}`}
      tabIndex={-1}
    >
      {isGroup && !mine && (
        <span className="message-face">
          {!blockContinues && (
            <ProfileButton person={sender}>
              <Avatar id={senderId} name={name} picture={sender?.profile_picture} size="s" />
            </ProfileButton>
          )}
        </span>
      )}
      <div
        className={`bubble ${emojiOnly ? 'bubble-big' : ''} ${deleted ? 'bubble-deleted' : ''}`}
        {...swipe}
        onContextMenu={(event) => {
          if (wantsBrowserMenu(event)) return
          event.preventDefault()
          open(event.currentTarget)
        }}
      >
        {isGroup && !mine && !continuesBlock && (
          <div className={`message-sender hue-text-${(senderId ?? 0) % 8}`}>
            <ProfileButton person={sender}>
              <bdi>{name}</bdi>
            </ProfileButton>
          </div>
        )}
        {from != null && <ForwardedLine from={from} />}
        {reply != null && <Quote reply={reply} onQuote={props.onQuote} />}
        <div className="message-text" dir="auto">
          {deleted ? t.conversation.deleted : <MessageText content={content} messageKey={keyOf(item)} />}
          <span className="message-meta">
            {stored && item.edited_at != null && !deleted && (
              <span title={fullTime(item.edited_at)}>{t.conversation.edited}</span>
            )}
            <time dir={t.dir} dateTime={timeOf(item)} title={fullTime(timeOf(item))}>
              {time(timeOf(item))}
            </time>
            {mine && (pending || (!isNotes && !deleted)) && <DeliveryIcon delivery={delivery} />}
          </span>
        </div>
        {stored && !deleted && <Reactions message={item} />}
        {stored && inThread === undefined && <RepliesButton message={item} />}
        {hasActions(item) && (
          <span className="message-side">
            <button
              className="message-more"
              tabIndex={-1}
              data-inner
              aria-label={t.conversation.actions}
              title={t.conversation.actions}
              onClick={(event) => open(event.currentTarget)}
            >
              <Ellipsis aria-hidden />
            </button>
          </span>
        )}
        {pending?.refused && <Refused operation={pending} code={pending.refused} />}
      </div>
    </div>
  )
}

/** True for a mouse, and for a long press on a link or on selected text. */
function wantsBrowserMenu({ nativeEvent, currentTarget, target }: MouseEvent): boolean {
  const selection = getSelection()
  return (
    (nativeEvent as PointerEvent).pointerType === 'mouse' ||
    (target as Element).closest('a') !== null ||
    (selection !== null && !selection.isCollapsed && selection.containsNode(currentTarget, true))
  )
}

/** The avatar or name of a sender, which opens their profile unless the account was deleted. */
function ProfileButton({ person, children }: { person: Person | undefined; children: ReactNode }) {
  if (person === undefined || isDeletedAccount(person)) return children
  return (
    <button
      className="profile-button"
      tabIndex={-1}
      data-inner
      aria-label={t.contact.open(nameOf(person))}
      onClick={() => openDialog({ kind: 'contact', id: person.user_id })}
    >
      {children}
    </button>
  )
}

/** Why the server refused an operation, and what can be done about it. */
export function Refused({ operation, code }: { operation: Refusable; code: string }) {
  const { kind, client_id } = operation
  return (
    <div className="refusal">
      <p>{t.message.refused[kind](codeText(code))}</p>
      <button className="link-button" onClick={() => messenger.operations.retry(client_id)}>
        {kind === 'send' ? t.message.retry : t.common.retry}
      </button>
      <button className="link-button" onClick={() => messenger.operations.discard(client_id)}>
        {t.message.giveUp[kind]}
      </button>
    </div>
  )
}
