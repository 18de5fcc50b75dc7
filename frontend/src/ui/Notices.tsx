import { CircleAlert, CircleCheck, X } from './icons'
import { t } from '../i18n'
import { messenger } from '../platform'
import { useApp } from './hooks'

/** Short words in the corner, read out by screen readers. */
export function Notices() {
  const notices = useApp((state) => state.notices)
  return (
    <div className="notices" role="status" aria-label={t.notices.label}>
      {notices.map((notice) => (
        <div key={notice.id} className={`notice notice-${notice.kind}`}>
          {notice.kind === 'error' ? <CircleAlert aria-hidden /> : <CircleCheck aria-hidden />}
          <span>{notice.text}</span>
          <button
            className="icon-button"
            aria-label={t.notices.dismiss}
            onClick={() => messenger.dismiss(notice.id)}
          >
            <X aria-hidden />
          </button>
        </div>
      ))}
    </div>
  )
}
