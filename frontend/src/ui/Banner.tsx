import { useEffect, useState } from 'react'
import { t } from '../i18n'
import { messenger } from '../platform'
import { useAppState, useOnline } from './hooks'
import { CloudOff } from './icons'

/** Shorter interruptions are not shown. */
const GRACE_MS = 2_500

/** Shown while there is no connection. */
export function Banner() {
  const disconnectedAt = useAppState((state) => state.disconnectedAt)
  const connecting = useAppState((state) => state.socket === 'connecting')
  const waiting = useAppState((state) => state.outbox.filter((entry) => !entry.refused).length)
  const polling = useAppState((state) => state.polling)
  const online = useOnline()
  const [inGrace, setInGrace] = useState(true)

  useEffect(() => {
    setInGrace(true)
    if (disconnectedAt === null) return
    const timer = setTimeout(() => setInGrace(false), disconnectedAt + GRACE_MS - Date.now())
    return () => clearTimeout(timer)
  }, [disconnectedAt])

  const shown = !online || (disconnectedAt !== null && !inGrace)
  return (
    <div role="status">
      {shown && (
        <div className="banner">
          <CloudOff aria-hidden />
          <span>
            {!online ? t.connection.offline : polling ? t.connection.polling : t.connection.lost}
            {waiting > 0 && <strong> {t.connection.waiting(waiting)}</strong>}
          </span>
          {online && (
            <button className="button button-small" disabled={connecting} onClick={() => messenger.reconnect()}>
              {connecting ? t.connection.connecting : t.connection.now}
            </button>
          )}
        </div>
      )}
    </div>
  )
}
