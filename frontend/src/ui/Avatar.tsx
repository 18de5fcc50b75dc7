import { useState } from 'react'
import { initials } from '../core/text'
import { t } from '../i18n'
import { Bookmark } from './icons'

interface Props {
  /** Selects the colour. */
  id: number | null
  name: string
  picture?: string | null | undefined
  size?: 's' | 'm' | 'l'
  group?: boolean
  notes?: boolean
  online?: boolean | undefined
}

const HUES = 8

/** True if the picture is on this server. No other server learns who looks at it. */
export function isOwnPicture(url: string): boolean {
  return URL.canParse(url, location.href) && new URL(url, location.href).origin === location.origin
}

/**
 * A profile picture, or the initials if there is none on this server or it cannot be loaded. Hidden from
 * screen readers, because the name is beside it.
 */
export function Avatar({ id, name, picture, size = 'm', group, notes, online }: Props) {
  const [failedUrl, setFailedUrl] = useState<string | null>(null)
  const shown = picture && isOwnPicture(picture) && picture !== failedUrl ? picture : null
  return (
    <span className={`avatar avatar-${size} hue-${(id ?? 0) % HUES} ${group ? 'avatar-group' : ''}`}>
      {notes ? (
        <Bookmark className="avatar-icon" aria-hidden />
      ) : shown ? (
        <img
          src={shown}
          alt=""
          loading="lazy"
          decoding="async"
          referrerPolicy="no-referrer"
          draggable={false}
          onError={() => setFailedUrl(shown)}
        />
      ) : (
        <span className="avatar-initials" data-initials={initials(name)} aria-hidden />
      )}
      {online && <span className="presence-dot" role="img" aria-label={t.conversation.online} />}
    </span>
  )
}
