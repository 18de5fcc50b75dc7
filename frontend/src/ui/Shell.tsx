import { lazy, Suspense, useEffect } from 'react'
import { useRoute } from 'wouter'
import { useStore } from 'zustand'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Banner } from './Banner'
import { ChatList } from './ChatList'
import { Conversation } from './Conversation'
import { dialogs } from './dialog_state'
import { prefetchChunks } from './LazyPopupMenu'
import { Logo } from './Logo'
import { UpdateBanner } from './UpdateBanner'
import { useShortcuts } from './useShortcuts'

const Dialogs = lazy(() => import('./dialogs/Dialogs'))

/** An id or a seq in a path; null if it is none. */
const numberOf = (text: string | undefined) =>
  text !== undefined && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : null

/** The page while signed in: the chat list beside the conversation; on a phone only one of them. */
export function Shell() {
  const [, params] = useRoute<{ id: string; seq?: string }>('/c/:id/:seq?')
  const id = numberOf(params?.id)
  const linkedSeq = numberOf(params?.seq)
  const { dialog, confirmation } = useStore(dialogs)
  useShortcuts(id)
  useEffect(() => messenger.open(id), [id])
  useEffect(prefetchChunks, [])

  // Without a conversation the chat list is the main content.
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
        <div>
          <UpdateBanner />
          <Banner />
        </div>
        {id === null ? <EmptyPane /> : <Conversation key={id} id={id} linkedSeq={linkedSeq} />}
      </div>
      {(dialog !== null || confirmation !== null) && (
        <Suspense>
          <Dialogs />
        </Suspense>
      )}
    </Frame>
  )
}

function EmptyPane() {
  return (
    <div className="empty-pane">
      <Logo />
      <h2>{t.conversation.pick}</h2>
      <p>{t.conversation.pickMore}</p>
    </div>
  )
}
