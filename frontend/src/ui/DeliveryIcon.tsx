import { t } from '../i18n'
import { Check, CheckCheck, CircleAlert, Clock3 } from './icons'

export type Delivery = 'waiting' | 'sent' | 'read' | 'failed'

/** The delivery state of an own message. */
export function DeliveryIcon({ delivery }: { delivery: Delivery }) {
  const Icon = { waiting: Clock3, sent: Check, read: CheckCheck, failed: CircleAlert }[delivery]
  return <Icon className={`ticks ticks-${delivery}`} role="img" aria-label={t.status[delivery]} />
}
