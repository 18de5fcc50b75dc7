import { useRef, useState } from 'react'
import { useLocation } from 'wouter'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Avatar } from './Avatar'
import { ask, openDialog } from './dialog_state'
import { errorText } from './format'
import { useApp, useMe } from './hooks'
import { Bookmark, Keyboard, LogOut, Settings, Users } from './icons'
import { LazyMenu } from './LazyMenu'
import type { MenuAction } from './PopMenu'

export function AccountMenu() {
  const me = useMe()
  const [, navigate] = useLocation()
  const unsent = useApp((state) => state.outbox.length)
  const button = useRef<HTMLButtonElement>(null)
  const [rect, setRect] = useState<DOMRect | null>(null)

  const logout = () => {
    if (unsent > 0)
      ask({
        title: t.logout.title,
        more: t.logout.more(unsent),
        yes: t.logout.go,
        act: () => messenger.logout(),
      })
    else messenger.logout().catch((error) => messenger.notice('error', errorText(error)))
  }

  const actions: readonly MenuAction[] = [
    { icon: <Settings aria-hidden />, text: t.menu.settings, act: () => openDialog({ kind: 'settings' }) },
    { icon: <Bookmark aria-hidden />, text: t.menu.notes, act: () => navigate(`/c/${me.user_id}`) },
    { icon: <Users aria-hidden />, text: t.menu.newGroup, act: () => openDialog({ kind: 'new_group' }) },
    { icon: <Keyboard aria-hidden />, text: t.menu.shortcuts, act: () => openDialog({ kind: 'shortcuts' }) },
    { icon: <LogOut aria-hidden />, text: t.menu.logout, apart: true, act: logout },
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
        <LazyMenu
          label={t.chats.menu}
          rect={rect}
          back={button.current}
          head={
            <div className="menu-head" role="presentation">
              <bdi className="menu-name">{me.full_name}</bdi>
              <span>@{me.username}</span>
            </div>
          }
          actions={actions}
          onClose={() => setRect(null)}
        />
      )}
    </>
  )
}
