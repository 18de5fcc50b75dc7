import { t } from '../i18n'
import { canNotify } from '../notifications'
import { setPrefs } from '../prefs'
import { useAppState, useMe, usePrefs } from './hooks'
import { Bell } from './icons'

/** Offers notifications after the user has sent a first message. */
export function NotificationCard() {
  const me = useMe()
  const { asked } = usePrefs()
  const hasSent = useAppState((state) =>
    [...state.chats.values()].some(
      (chat) => chat.chat_id !== me.user_id && chat.last_message?.sender_id === me.user_id,
    ),
  )
  if (asked || !hasSent || !canNotify || Notification.permission !== 'default') return null

  const allow = async () => {
    const answer = await Notification.requestPermission()
    setPrefs({ asked: true, notifications: answer === 'granted' })
  }

  return (
    <section className="notify-card" aria-label={t.settings.notifications}>
      <Bell aria-hidden />
      <p>{t.notify.ask}</p>
      <div>
        <button className="button button-small button-main" onClick={() => void allow()}>
          {t.notify.yes}
        </button>
        <button className="button button-small" onClick={() => setPrefs({ asked: true })}>
          {t.notify.no}
        </button>
      </div>
    </section>
  )
}
