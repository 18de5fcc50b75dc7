import { Ellipsis } from './icons'
import { memo, useMemo, useState } from 'react'
import type { Outgoing } from '../core/outbox'
import { cutLinks, isBigEmoji } from '../core/text'
import type { Message } from '../core/types'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Avatar } from './Avatar'
import { codeText, dayName, eventText, fullTime, senderName, time } from './format'
import { useApp } from './hooks'
import { hasActions } from './MessageMenu'
import { isSent, keyOf, timeOf, type Item } from './MessageList'
import { Ticks, type TickState } from './Ticks'

interface Props {
  item: Item
  me: number
  /** Above the very first message of a conversation. */
  intro: string | null
  group: boolean
  notes: boolean
  newDay: boolean
  unreadHere: boolean
  joinsBefore: boolean
  joinsAfter: boolean
  read: boolean
  onMenu: (item: Item, rect: DOMRect, row: HTMLElement | null) => void
}

export const MessageRow = memo(function MessageRow(props: Props) {
  const { item, intro, newDay, unreadHere } = props
  return (
    <div className="row">
      {intro !== null && <p className="beginning">{intro}</p>}
      {newDay && (
        <p className="day">
          <time dateTime={timeOf(item)}>{dayName(timeOf(item))}</time>
        </p>
      )}
      {unreadHere && (
        <p className="unread-line">
          <span>{t.conversation.newMessages}</span>
        </p>
      )}
      {isSent(item) && item.kind !== 'text' ? <Event message={item} me={props.me} /> : <Bubble {...props} />}
    </div>
  )
})

function Event({ message, me }: { message: Message; me: number }) {
  const people = useApp((state) => state.people)
  return (
    <p className="event message" data-key={keyOf(message)} tabIndex={-1}>
      <bdi title={fullTime(message.sent_at)}>{eventText(message, people, me)}</bdi>
    </p>
  )
}

function Bubble({ item, me, group, notes, joinsBefore, joinsAfter, read, onMenu }: Props) {
  const sent = isSent(item)
  const senderId = sent ? item.sender_id : me
  const mine = senderId === me
  const sender = useApp((state) => (senderId === null ? undefined : state.people.get(senderId)))
  const people = useApp((state) => state.people)
  const name = mine ? t.common.you : senderName(people, senderId)
  const deleted = sent && (item.deleted || item.content == null)
  const content = deleted ? '' : (item.content ?? '')
  const big = !deleted && isBigEmoji(content)
  const refused = sent ? undefined : item.refused
  const state: TickState = !sent ? (refused ? 'failed' : 'waiting') : read ? 'read' : 'sent'

  const classes = [
    'message',
    mine ? 'mine' : 'theirs',
    joinsBefore ? 'joins-before' : '',
    joinsAfter ? 'joins-after' : '',
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
      {group && !mine && (
        <span className="message-face">
          {!joinsAfter && <Avatar id={senderId} name={name} picture={sender?.profile_picture} size="s" />}
        </span>
      )}
      <div
        className={`bubble ${big ? 'bubble-big' : ''} ${deleted ? 'bubble-deleted' : ''}`}
        onContextMenu={(event) => {
          // A long press on a phone; with a mouse the browser's own menu is wanted.
          if ((event.nativeEvent as PointerEvent).pointerType === 'mouse') return
          event.preventDefault()
          open(event.currentTarget)
        }}
      >
        {group && !mine && !joinsBefore && (
          <bdi className={`message-sender hue-text-${(senderId ?? 0) % 8}`}>{name}</bdi>
        )}
        <div className="message-text" dir="auto">
          {deleted ? t.conversation.deleted : <Text content={content} />}
          <span className="message-meta">
            {sent && item.edited_at != null && !deleted && (
              <span title={fullTime(item.edited_at)}>{t.conversation.edited}</span>
            )}
            <time dir={t.dir} dateTime={timeOf(item)} title={fullTime(timeOf(item))}>
              {time(timeOf(item))}
            </time>
            {mine && !notes && !deleted && <Ticks state={state} />}
            {mine && notes && !sent && <Ticks state={state} />}
          </span>
        </div>
        {hasActions(item) && (
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
        )}
        {refused && <Refused entry={item as Outgoing} why={refused} />}
      </div>
    </div>
  )
}

function Refused({ entry, why }: { entry: Outgoing; why: string }) {
  return (
    <div className="refusal">
      <p>{t.message.failed(codeText(why))}</p>
      <button className="link-button" onClick={() => messenger.retry(entry.client_id)}>
        {t.message.retry}
      </button>
      <button className="link-button" onClick={() => messenger.discard(entry.client_id)}>
        {t.message.discard}
      </button>
    </div>
  )
}

const LONG_CHARS = 1_600
const LONG_LINES = 24

/** Text as text, links as links; what is very long is folded. */
function Text({ content }: { content: string }) {
  const [open, setOpen] = useState(false)
  const fold = useMemo(() => foldAt(content), [content])
  const shown = fold === null || open ? content : content.slice(0, fold)
  const pieces = useMemo(() => cutLinks(shown), [shown])
  return (
    <>
      {pieces.map((piece, i) =>
        piece.kind === 'text' ? (
          <span key={i}>{piece.text}</span>
        ) : (
          <a
            key={i}
            href={piece.href}
            target="_blank"
            rel="noopener noreferrer nofollow"
            dir="ltr"
            tabIndex={-1}
            data-inner
          >
            {piece.text}
          </a>
        ),
      )}
      {fold !== null && (
        <>
          {!open && '…'}{' '}
          <button className="link-button" tabIndex={-1} data-inner onClick={() => setOpen(!open)}>
            {open ? t.conversation.less : t.conversation.more}
          </button>
        </>
      )}
    </>
  )
}

function foldAt(content: string): number | null {
  let at = content.length > LONG_CHARS ? LONG_CHARS - 200 : null
  let line = -1
  for (let lines = 0; lines < LONG_LINES; lines++) {
    line = content.indexOf('\n', line + 1)
    if (line < 0) return at === null ? null : whole(content, at)
  }
  at = Math.min(at ?? line, line)
  return content.length - at < 80 ? null : whole(content, at)
}

/** Not in the middle of a pair. */
function whole(content: string, at: number): number {
  return /[\udc00-\udfff]/.test(content[at] ?? '') ? at - 1 : at
}
