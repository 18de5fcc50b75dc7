import { lazy, Suspense, useEffect, useMemo, useRef } from 'react'
import { useLocation, useRoute } from 'wouter'
import { useStore } from 'zustand'
import { sortChats } from '../core/chats'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Banner } from './Banner'
import { ChatList } from './ChatList'
import { Conversation } from './Conversation'
import { dialogs, openDialog } from './dialog_state'
import { Logo } from './Logo'
import { useApp } from './hooks'
import { fetchLater } from './LazyMenu'

const Dialogs = lazy(() => import('./dialogs/Dialogs'))

/** The page of somebody who is signed in: the list beside the conversation; on a phone one of them. */
export function Shell() {
  const [matched, params] = useRoute<{ id: string }>('/c/:id')
  const id = matched && /^[1-9]\d{0,15}$/.test(params.id) ? Number(params.id) : null
  const { dialog, question } = useStore(dialogs)
  useShortcuts(id)
  useEffect(fetchLater, [])

  // Without a conversation the list is what the page is about.
  const Frame = id === null ? 'main' : 'div'
  return (
    <Frame className={`shell ${id === null ? 'shell-list' : 'shell-chat'}`}>
      {id !== null && (
        <a className="skip-link" href="#composer">
          {t.composer.skip}
        </a>
      )}
      <ChatList open={id} />
      <div className="pane">
        <Banner />
        {id === null ? <NoChat /> : <Conversation key={id} id={id} />}
      </div>
      {(dialog !== null || question !== null) && (
        <Suspense>
          <Dialogs />
        </Suspense>
      )}
    </Frame>
  )
}

function NoChat() {
  return (
    <div className="empty-pane">
      <Logo />
      <h2>{t.conversation.pick}</h2>
      <p>{t.conversation.pickMore}</p>
    </div>
  )
}

export function useSortedChats() {
  const chats = useApp((state) => state.chats)
  const outbox = useApp((state) => state.outbox)
  return useMemo(() => {
    const waiting = new Map<number, number>()
    for (const entry of outbox) waiting.set(entry.chat_id, Date.parse(entry.created_at))
    return sortChats(chats.values(), waiting)
  }, [chats, outbox])
}

function useShortcuts(open: number | null): void {
  const [, navigate] = useLocation()
  const chats = useSortedChats()
  const now = useRef({ open, chats })
  useEffect(() => {
    now.current = { open, chats }
  })

  useEffect(() => {
    const go = (step: 1 | -1) => {
      const { open, chats } = now.current
      const at = chats.findIndex((chat) => chat.chat_id === open)
      const next = at < 0 ? chats[0] : chats[at + step]
      if (next !== undefined) navigate(`/c/${next.chat_id}`)
    }
    const pressed = (event: KeyboardEvent) => {
      if (event.isComposing || document.querySelector('dialog[open]') !== null) return
      const command = event.ctrlKey || event.metaKey
      const key = event.key.toLowerCase()
      const run = (act: () => void) => {
        event.preventDefault()
        act()
      }
      if (command && !event.altKey && !event.shiftKey && key === 'k')
        run(() => document.getElementById('search')?.focus())
      else if (command && key === '/') run(() => openDialog({ kind: 'shortcuts' }))
      else if (command && key === ',') run(() => openDialog({ kind: 'settings' }))
      else if (event.altKey && !command && event.key === 'ArrowDown') run(() => go(1))
      else if (event.altKey && !command && event.key === 'ArrowUp') run(() => go(-1))
      else if (event.altKey && !command && event.code === 'KeyG')
        run(() => openDialog({ kind: 'new_group' }))
      else if (event.key === '?' && !isTextField(event.target))
        run(() => openDialog({ kind: 'shortcuts' }))
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [navigate])

  useEffect(() => {
    messenger.show(open)
  }, [open])
}

function isTextField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))
  )
}
