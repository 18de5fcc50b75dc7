import { lazy, Suspense, useCallback, useEffect, useRef, useState, type KeyboardEvent } from 'react'
import { Link, useLocation } from 'wouter'
import { useStore } from 'zustand'
import { mayPost } from '../core/chat'
import { liveMessages } from '../core/history'
import { isEditable } from '../core/outbox'
import { withPending } from '../core/pending'
import { isDeletedAccount } from '../core/state'
import type { Chat } from '../core/types'
import { edits, setEdit, setReply } from '../drafts'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Avatar } from './Avatar'
import { Composer } from './Composer'
import { openDialog } from './dialog_state'
import { chatName, lastSeen, messageText, nameOf, senderName } from './format'
import { useAppState, useMe, useRerenderEvery } from './hooks'
import { ArrowLeft, Info, Search } from './icons'
import { isComposing } from './keys'
import { Logo } from './Logo'
import { isOwnText, isStored, type Item } from './messages/items'
import { PinsBar } from './PinsBar'
import { MessageList, type MessageListHandle } from './messages/MessageList'
import { useReplying } from './messages/useReplying'

const ChatSearch = lazy(() => import('./search/ChatSearch'))

/** Returns a chat. A direct chat without messages is not in the chat list: it is constructed here. */
function useChat(id: number): { chat: Chat | null; state: 'found' | 'loading' | 'missing' } {
  const me = useMe()
  const listLoaded = useAppState((state) => state.chatListLoaded)
  const known = useAppState((state) => state.chats.get(id))
  const person = useAppState((state) => state.people.get(id))
  const hasQueued = useAppState((state) => state.outbox.some((entry) => entry.chat_id === id))
  const [missing, setMissing] = useState(false)

  useEffect(() => {
    if (!listLoaded || known !== undefined || person !== undefined) return
    let stale = false
    void messenger.people.lookUp(id).then((exists) => {
      if (!stale) setMissing(!exists && !hasQueued)
    })
    return () => {
      stale = true
    }
  }, [id, listLoaded, known, person, hasQueued])

  if (known !== undefined) return { chat: known, state: 'found' }
  if (!listLoaded) return { chat: null, state: 'loading' }
  if (person === undefined || isDeletedAccount(person))
    return { chat: null, state: missing || person !== undefined ? 'missing' : 'loading' }
  const chat: Chat = {
    chat_id: id,
    kind: 'direct',
    name: id === me.user_id ? t.chats.notes : person.full_name,
    last_seq: 0,
    last_mod: 0,
    read_seq: 0,
    unread: 0,
    last_message: null,
    peer: person,
    peer_read_seq: 0,
    owner_id: null,
    role: null,
    description: null,
    picture: null,
    posting: null,
    adding: null,
    member_count: 2,
  }
  return { chat, state: 'found' }
}

/** `linkedSeq` is the message that a link names; null if none. */
export function Conversation({ id, linkedSeq }: { id: number; linkedSeq: number | null }) {
  const { chat, state } = useChat(id)
  const listLoaded = useAppState((state) => state.chatListLoaded)
  const [, navigate] = useLocation()
  const lastChat = useRef<Chat | null>(null)

  useEffect(() => {
    // In a new epoch all chats are dropped until the list is loaded.
    if (!listLoaded) return
    // The user is no longer a member; a group that never existed shows `missing`.
    if (chat === null && lastChat.current?.kind === 'group') {
      messenger.notices.show('info', t.conversation.gone)
      navigate('/', { replace: true })
    }
    lastChat.current = chat
  }, [chat, listLoaded, navigate])

  if (chat === null)
    return (
      <main className="empty-pane" aria-busy={state === 'loading'}>
        {state === 'missing' && (
          <>
            <Logo />
            <h1>{t.conversation.missing}</h1>
            <p>{t.conversation.missingMore}</p>
            <Link className="button" href="/">
              {t.common.back}
            </Link>
          </>
        )}
      </main>
    )
  return <OpenChat chat={chat} linkedSeq={linkedSeq} />
}

function OpenChat({ chat, linkedSeq }: { chat: Chat; linkedSeq: number | null }) {
  const me = useMe()
  const id = chat.chat_id
  const [, navigate] = useLocation()
  const list = useRef<MessageListHandle>(null)
  const name = chatName(chat, me.user_id)
  const mayWrite = mayPost(chat, me.user_id)
  // Who may not write may still edit.
  const isEditing = useStore(edits, (all) => all[id] !== undefined)

  const [isSearching, setSearching] = useState(false)
  const closeSearch = useCallback(() => {
    setSearching(false)
    document.getElementById('composer')?.focus()
  }, [])

  const edit = useCallback((item: Item | null) => {
    setEdit(id, item && { item, text: item.content ?? '' })
    requestAnimationFrame(() => document.getElementById('composer')?.focus())
  }, [id])

  const { reply } = useReplying({
    canReply: mayWrite,
    reply: (message) => {
      setEdit(id, null)
      setReply(id, message)
      requestAnimationFrame(() => document.getElementById('composer')?.focus())
    },
  })

  const editLast = useCallback(() => {
    const { histories, outbox, epoch } = messenger.store.getState()
    const messages = liveMessages(histories.get(id))
    const mine = withPending({ messages, isLive: true, outbox, chatId: id, epoch, me: me.user_id }).findLast((item) =>
      isStored(item) ? isOwnText(item, me.user_id) : isEditable(item),
    )
    if (mine !== undefined) edit(mine)
  }, [id, me.user_id, edit])

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.defaultPrevented || isComposing(event.nativeEvent)) return
    if (edits.getState()[id] !== undefined) edit(null)
    else document.getElementById('composer')?.focus()
  }

  return (
    <main className="conversation" aria-label={t.conversation.label(name)} onKeyDown={onKeyDown}>
      <Header chat={chat} name={name} onSearch={() => setSearching(true)} />
      {isSearching && (
        <Suspense>
          <ChatSearch chat={chat} onClose={closeSearch} />
        </Suspense>
      )}
      <PinsBar chatId={id} mayUnpin={mayWrite} onJump={(seq) => navigate(`/c/${id}/${seq}`, { replace: true })} />
      <MessageList key={id} ref={list} chat={chat} linkedSeq={linkedSeq} onEdit={edit} onReply={reply} />
      <Announcer chatId={id} />
      {!mayWrite && !isEditing ? (
        <p className="composer-closed">{chat.kind === 'group' ? t.composer.onlyAdmins : t.composer.deletedPeer}</p>
      ) : (
        <Composer
          chatId={id}
          isNotes={id === me.user_id}
          onEditLast={editLast}
          onDone={() => edit(null)}
          onSent={() => list.current?.sent()}
        />
      )}
    </main>
  )
}

function Header({ chat, name, onSearch }: { chat: Chat; name: string; onSearch: () => void }) {
  const me = useMe()
  const notes = chat.chat_id === me.user_id
  const online = useAppState((state) => state.presence.get(chat.chat_id)?.online)
  const openDetails = () =>
    openDialog(
      chat.kind === 'group'
        ? { kind: 'group', id: chat.chat_id }
        : { kind: 'contact', id: chat.chat_id },
    )
  const hasNoDetails = notes || (chat.kind === 'direct' && chat.peer === null)
  const title = (
    <>
      <Avatar
        id={chat.chat_id}
        name={name}
        picture={chat.peer?.profile_picture}
        size="s"
        group={chat.kind === 'group'}
        notes={notes}
        online={!notes && chat.peer !== null && online}
      />
      <span className="conversation-who">
        <bdi className="conversation-name" title={name}>
          {name}
        </bdi>
        <Subtitle chat={chat} />
      </span>
    </>
  )
  return (
    <header className="conversation-head">
      <Link href="/" className="icon-button back-button" aria-label={t.common.back}>
        <ArrowLeft aria-hidden className="mirrored" />
      </Link>
      <h1 className="conversation-title">
        {hasNoDetails ? (
          <span className="conversation-face">{title}</span>
        ) : (
          <button className="conversation-face" onClick={openDetails}>
            {title}
          </button>
        )}
      </h1>
      <button
        id="chat-search"
        className="icon-button"
        aria-label={t.search.inChat}
        title={t.search.inChat}
        onClick={onSearch}
      >
        <Search aria-hidden />
      </button>
      {!hasNoDetails && (
        <button className="icon-button" aria-label={t.conversation.info} title={t.conversation.info} onClick={openDetails}>
          <Info aria-hidden />
        </button>
      )}
    </header>
  )
}

/** Below the name: typing, else presence, else the number of members. */
function Subtitle({ chat }: { chat: Chat }) {
  const me = useMe()
  const typing = useAppState((state) => state.typing.get(chat.chat_id))
  const people = useAppState((state) => state.people)
  const presence = useAppState((state) => state.presence.get(chat.chat_id))
  const connected = useAppState((state) => state.socket === 'ready')
  useRerenderEvery(60_000)

  if (typing !== undefined) {
    const names = [...typing.keys()].map((id) => nameOf(people.get(id)))
    const words =
      chat.kind === 'direct'
        ? t.conversation.typing
        : names.length === 1
          ? t.conversation.typingOne(names[0]!)
          : names.length === 2
            ? t.conversation.typingTwo(names[0]!, names[1]!)
            : t.conversation.typingMany(names.length)
    return (
      <span className="conversation-sub conversation-typing">
        {words}
        <span className="typing-dots" aria-hidden>
          <i />
          <i />
          <i />
        </span>
      </span>
    )
  }
  if (chat.chat_id === me.user_id)
    return <span className="conversation-sub">{t.chats.notesMore}</span>
  if (chat.kind === 'group')
    return <span className="conversation-sub">{t.conversation.members(chat.member_count)}</span>
  if (!connected || presence === undefined || chat.peer === null)
    return chat.peer === null ? null : <bdi className="conversation-sub">@{chat.peer.username}</bdi>
  return (
    <span className="conversation-sub">
      {presence.online
        ? t.conversation.online
        : t.conversation.lastSeen(lastSeen(presence.last_seen_at))}
    </span>
  )
}

/** A live region for new messages: the list itself also changes when earlier messages are loaded. */
function Announcer({ chatId }: { chatId: number }) {
  const me = useMe()
  const last = useAppState((state) => state.chats.get(chatId)?.last_message ?? null)
  const people = useAppState((state) => state.people)
  const announcedSeq = useRef<number | null>(null)
  const [text, setText] = useState('')

  useEffect(() => {
    const seq = last?.seq ?? 0
    if (announcedSeq.current !== null && last !== null && seq > announcedSeq.current) {
      if (last.sender_id !== me.user_id && last.kind === 'text')
        setText(t.conversation.announced(senderName(people, last.sender_id), messageText(last)))
    }
    if (last?.deleted && last.seq === announcedSeq.current) setText('')
    announcedSeq.current = Math.max(seq, announcedSeq.current ?? 0)
  }, [last, me.user_id, people])

  return (
    <p className="sr-only" aria-live="polite">
      {text}
    </p>
  )
}
