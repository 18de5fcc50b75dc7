import { Check, CheckCheck, CircleAlert, Clock3 } from './icons'
import { t } from '../i18n'

export type TickState = 'waiting' | 'sent' | 'read' | 'failed'

/** How far one's own message has come. */
export function Ticks({ state }: { state: TickState }) {
  const Icon = { waiting: Clock3, sent: Check, read: CheckCheck, failed: CircleAlert }[state]
  return <Icon className={`ticks ticks-${state}`} role="img" aria-label={t.status[state]} />
}
