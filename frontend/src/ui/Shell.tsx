import { lazy, Suspense, useEffect, type MouseEvent } from 'react'
import { useRoute } from 'wouter'
import { useStore } from 'zustand'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Banner } from './Banner'
import { ChatList } from './ChatList'
import { Conversation } from './Conversation'
import { dialogCount, dialogs } from './dialog_state'
import { prefetchChunks } from './LazyPopupMenu'
import { Logo } from './Logo'
import { UpdateBanner } from './UpdateBanner'
import { useShortcuts } from './useShortcuts'

const JoinGroup = lazy(() => import('./JoinGroup'))
const Dialogs = lazy(() => import('./dialogs/Dialogs'))

/** An id or a seq in a path; null if it is none. */
const numberOf = (text: string | undefined) =>
  text !== undefined && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : null

/** The page while signed in: the chat list beside the conversation; on a phone only one of them. */
export function Shell() {
  const [, params] = useRoute<{ id: string; seq?: string }>('/c/:id/:seq?')
  const [, invitation] = useRoute<{ code: string }>('/join/:code')
  const id = numberOf(params?.id)
  const linkedSeq = numberOf(params?.seq)
  const hasDialog = useStore(dialogs, (state) => dialogCount(state) > 0)
  useShortcuts(id)
  useEffect(() => messenger.open(id), [id])
  useEffect(prefetchChunks, [])

  const isList = id === null && invitation === null
  return (
    // Without a conversation the chat list is the main content. Another element would make a new list, at its top.
    <div className={`shell ${isList ? 'shell-list' : 'shell-chat'}`} role={id === null ? 'main' : undefined}>
      {id !== null && (
        <a className="skip-link" href="#composer" onClick={skipToComposer}>
          {t.composer.skip}
        </a>
      )}
      <ChatList open={id} />
      <div className="pane">
        <div>
          <UpdateBanner />
          <Banner />
        </div>
        {invitation !== null ? (
          <Suspense>
            <JoinGroup code={invitation.code} />
          </Suspense>
        ) : id === null ? <EmptyPane /> : <Conversation key={id} id={id} linkedSeq={linkedSeq} />}
      </div>
      {hasDialog && (
        <Suspense>
          <Dialogs />
        </Suspense>
      )}
    </div>
  )
}

/** Without the entry in the history that following the link makes. */
function skipToComposer(event: MouseEvent): void {
  event.preventDefault()
  document.getElementById('composer')?.focus()
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
