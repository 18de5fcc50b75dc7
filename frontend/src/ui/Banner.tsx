import { CloudOff } from './icons'
import { useEffect, useState } from 'react'
import { t } from '../i18n'
import { messenger } from '../platform'
import { useApp, useOnline } from './hooks'

/** A blink of the network is nobody's business. */
const PATIENCE_MS = 2_500

export function Banner() {
  const lostAt = useApp((state) => state.lostAt)
  const connecting = useApp((state) => state.socket === 'connecting')
  const waiting = useApp((state) => state.outbox.filter((entry) => !entry.refused).length)
  const online = useOnline()
  const [patient, setPatient] = useState(true)

  useEffect(() => {
    setPatient(true)
    if (lostAt === null) return
    const timer = setTimeout(() => setPatient(false), lostAt + PATIENCE_MS - Date.now())
    return () => clearTimeout(timer)
  }, [lostAt])

  const shown = !online || (lostAt !== null && !patient)
  return (
    <div role="status">
      {shown && (
        <div className="banner">
          <CloudOff aria-hidden />
          <span>
            {online ? t.connection.lost : t.connection.offline}
            {waiting > 0 && <strong> {t.connection.waiting(waiting)}</strong>}
          </span>
          {online && (
            <button className="button button-small" disabled={connecting} onClick={() => messenger.hurry()}>
              {connecting ? t.connection.connecting : t.connection.now}
            </button>
          )}
        </div>
      )}
    </div>
  )
}
