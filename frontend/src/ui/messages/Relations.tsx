// What a message shows of others: the one that it replies to, the one that it is a copy of, its replies.

import type { ForwardedFrom, Message, Reply } from '../../core/types'
import { t } from '../../i18n'
import { openThread } from '../dialog_state'
import { messageText, senderName } from '../format'
import { useAppState, useMe } from '../hooks'
import { Forward, MessagesSquare } from '../icons'

/** The message that another one replies to: a button that goes there. */
export function Quote({ reply, onQuote }: { reply: Reply; onQuote: (seq: number) => void }) {
  const me = useMe().user_id
  const people = useAppState((state) => state.people)
  const name = reply.sender_id === me ? t.common.you : senderName(people, reply.sender_id)
  return (
    <button
      className={`quote hue-text-${(reply.sender_id ?? 0) % 8}`}
      tabIndex={-1}
      data-inner
      aria-label={t.message.quote(name, messageText(reply))}
      onClick={() => onQuote(reply.seq)}
    >
      <bdi className="quote-name">{name}</bdi>
      <bdi className={reply.content === null ? 'quote-text quote-deleted' : 'quote-text'}>{messageText(reply)}</bdi>
    </button>
  )
}

export function ForwardedLine({ from }: { from: ForwardedFrom }) {
  const person = useAppState((state) => (from.user_id === null ? undefined : state.people.get(from.user_id)))
  const name = person?.full_name || from.full_name
  return (
    <p className="forwarded">
      <Forward aria-hidden className="mirrored" />
      <span>{t.message.forwardedFrom(name || t.common.deletedAccount)}</span>
    </p>
  )
}

/** Opens the thread; nothing if the message has no reply. */
export function RepliesButton({ message }: { message: Message }) {
  if (!message.replies) return null
  return (
    <button className="replies" tabIndex={-1} data-inner onClick={() => openThread(message)}>
      <MessagesSquare aria-hidden /> {t.message.replies(message.replies)}
    </button>
  )
}
