import { useStore } from 'zustand'
import { t } from '../i18n'
import { acceptUpdate, updates } from '../updates'
import { RotateCcw } from './icons'

/** Shown while a new build of the page waits. Nothing is reloaded before the user asks for it. */
export function UpdateBanner() {
  const { ready } = useStore(updates)
  return (
    <div role="status">
      {ready && (
        <div className="banner banner-update">
          <RotateCcw aria-hidden />
          <span>{t.update.ready}</span>
          <button className="button button-small" onClick={acceptUpdate}>
            {t.update.reload}
          </button>
        </div>
      )}
    </div>
  )
}
