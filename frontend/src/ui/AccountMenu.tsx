import { useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Avatar } from './Avatar'
import { openConfirmation, openDialog } from './dialog_state'
import { errorText } from './format'
import { useAppState, useMe } from './hooks'
import { Bookmark, Keyboard, LogOut, Settings, Users } from './icons'
import { LazyPopupMenu } from './LazyPopupMenu'
import type { MenuAction } from './PopupMenu'

export function AccountMenu() {
  const me = useMe()
  const [, navigate] = useLocation()
  const unsent = useAppState((state) => state.outbox.length)
  const button = useRef<HTMLButtonElement>(null)
  const [rect, setRect] = useState<DOMRect | null>(null)

  const logout = () => {
    if (unsent > 0)
      openConfirmation({
        title: t.logout.title,
        message: t.logout.more(unsent),
        confirmLabel: t.logout.go,
        onConfirm: () => messenger.session.logout(),
      })
    else messenger.session.logout().catch((error) => messenger.notices.show('error', errorText(error)))
  }

  const actions: readonly MenuAction[] = [
    { icon: <Settings aria-hidden />, text: t.menu.settings, onSelect: () => openDialog({ kind: 'settings' }) },
    { icon: <Bookmark aria-hidden />, text: t.menu.notes, onSelect: () => navigate(`/c/${me.user_id}`) },
    { icon: <Users aria-hidden />, text: t.menu.newGroup, onSelect: () => openDialog({ kind: 'new_group' }) },
    { icon: <Keyboard aria-hidden />, text: t.menu.shortcuts, onSelect: () => openDialog({ kind: 'shortcuts' }) },
    { icon: <LogOut aria-hidden className="mirrored" />, text: t.menu.logout, separated: true, onSelect: logout },
  ]

  return (
    <>
      <button
        ref={button}
        className="avatar-button"
        aria-label={t.chats.menu}
        title={t.chats.menu}
        aria-haspopup="menu"
        aria-expanded={rect !== null}
        onClick={() => setRect(button.current!.getBoundingClientRect())}
      >
        <Avatar id={me.user_id} name={me.full_name} picture={me.profile_picture} size="s" />
      </button>
      {rect !== null && (
        <LazyPopupMenu
          label={t.chats.menu}
          rect={rect}
          returnFocus={button.current}
          header={
            <div className="menu-head" role="presentation">
              <bdi className="menu-name">{me.full_name}</bdi>
              <bdi dir="ltr">@{me.username}</bdi>
            </div>
          }
          actions={actions}
          onClose={() => setRect(null)}
        />
      )}
    </>
  )
}
