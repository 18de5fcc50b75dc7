import { t } from '../../i18n'
import { CheckCheck, ChevronDown } from '../icons'

interface UnreadProps {
  unread: number
  /** Where the first unread message is. */
  side: 'above' | 'below'
  onJump: () => void
  onMarkRead: () => void
}

/** Shown while the first unread message is not on the screen. */
export function UnreadButtons({ unread, side, onJump, onMarkRead }: UnreadProps) {
  return (
    <div className={`jump-unread jump-unread-${side}`}>
      <button onClick={onJump} title={t.conversation.jumpUnread}>
        <ChevronDown aria-hidden />
        {t.chats.unread(unread)}
      </button>
      <button aria-label={t.conversation.markRead} title={t.conversation.markRead} onClick={onMarkRead}>
        <CheckCheck aria-hidden />
      </button>
    </div>
  )
}

export function NewestButton({ unread, onJump }: { unread: number; onJump: () => void }) {
  return (
    <button
      className="jump"
      aria-label={unread > 0 ? t.conversation.jumpCount(unread) : t.conversation.jump}
      title={t.conversation.jump}
      onClick={onJump}
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
