import { t } from '../i18n'
import { messenger } from '../platform'
import { useAppState } from './hooks'
import { CircleAlert, CircleCheck, X } from './icons'

/** Short messages in the corner, as a live region. */
export function Notices() {
  const notices = useAppState((state) => state.notices)
  return (
    <div className="notices" role="status" aria-label={t.notices.label}>
      {notices.map((notice) => (
        <div key={notice.id} className={`notice notice-${notice.kind}`}>
          {notice.kind === 'error' ? <CircleAlert aria-hidden /> : <CircleCheck aria-hidden />}
          <span>{notice.text}</span>
          <button
            className="icon-button"
            aria-label={t.notices.dismiss}
            onClick={() => messenger.notices.dismiss(notice.id)}
          >
            <X aria-hidden />
          </button>
        </div>
      ))}
    </div>
  )
}
