import { useEffect } from 'react'
import { useLocation } from 'wouter'
import { isDeletedAccount } from '../../core/state'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { lastSeen, longDate, nameOf } from '../format'
import { useAppState, useMe } from '../hooks'
import { MessageSquare } from '../icons'
import { Dialog } from './Dialog'

/** The profile of a user. */
export function Contact({ id, onClose }: { id: number; onClose: () => void }) {
  const me = useMe()
  const person = useAppState((state) => state.people.get(id))
  const peer = useAppState((state) => state.chats.get(id)?.peer)
  const presence = useAppState((state) => state.presence.get(id))
  const isOpen = useAppState((state) => state.openChatId === id)
  const [, navigate] = useLocation()
  useEffect(() => void messenger.people.lookUp(id), [id])
  const canWrite = person !== undefined && !isDeletedAccount(person) && id !== me.user_id && !isOpen

  return (
    <Dialog title={t.contact.title} onClose={onClose} small>
      <div className="dialog-body contact">
        <Avatar id={id} name={nameOf(person)} picture={person?.profile_picture} size="l" />
        <p className="contact-name">
          <bdi>{nameOf(person)}</bdi>
        </p>
        {presence !== undefined && (
          <p className="contact-presence">
            {presence.online
              ? t.conversation.online
              : t.conversation.lastSeen(lastSeen(presence.last_seen_at))}
          </p>
        )}
        {canWrite && (
          <button className="button button-main" data-autofocus onClick={() => navigate(`/c/${id}`)}>
            <MessageSquare aria-hidden /> {t.contact.message}
          </button>
        )}
        <dl className="facts">
          <div>
            <dt>{t.contact.username}</dt>
            <dd>
              <bdi dir="ltr">@{person?.username}</bdi>
            </dd>
          </div>
          {peer?.created_at !== undefined && (
            <div>
              <dt>{t.contact.since}</dt>
              <dd>{longDate(peer.created_at)}</dd>
            </div>
          )}
        </dl>
      </div>
    </Dialog>
  )
}
