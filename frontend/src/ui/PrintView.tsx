import { useEffect, useState } from 'react'
import { flushSync } from 'react-dom'
import { parseMarkup, parsePlain } from '../core/markup'
import type { Message } from '../core/types'
import { t } from '../i18n'
import { prefs } from '../prefs'
import { sameDay } from './days'
import { chatName, dayName, eventText, senderName, time } from './format'
import { useAppState, useMe } from './hooks'
import { Markup } from './messages/Markup'

/** While the page is printed: the open conversation, as far as it is loaded, instead of the screen. */
export function PrintView() {
  const [printing, setPrinting] = useState(false)
  const chatId = useAppState((state) => state.openChatId)

  useEffect(() => {
    const begin = () => flushSync(() => setPrinting(true))
    const end = () => setPrinting(false)
    addEventListener('beforeprint', begin)
    addEventListener('afterprint', end)
    return () => {
      removeEventListener('beforeprint', begin)
      removeEventListener('afterprint', end)
    }
  }, [])

  return printing && chatId !== null ? <PrintedConversation chatId={chatId} /> : null
}

function PrintedConversation({ chatId }: { chatId: number }) {
  const me = useMe()
  const chat = useAppState((state) => state.chats.get(chatId))
  const messages = useAppState((state) => state.histories.get(chatId)?.segments.at(-1)?.messages)
  if (chat === undefined || messages === undefined) return null
  return (
    <article className="printed" aria-hidden>
      <h1>{t.conversation.label(chatName(chat, me.user_id))}</h1>
      {messages.map((message, i) => (
        <PrintedMessage key={message.seq} message={message} before={messages[i - 1]} />
      ))}
    </article>
  )
}

const blocksOf = (content: string) => (prefs.getState().formatting ? parseMarkup : parsePlain)(content)

function PrintedMessage({ message, before }: { message: Message; before: Message | undefined }) {
  const me = useMe()
  const people = useAppState((state) => state.people)
  return (
    <>
      {(before === undefined || !sameDay(before.sent_at, message.sent_at)) && <h2>{dayName(message.sent_at)}</h2>}
      {message.kind !== 'text' ? (
        <p>{eventText(message, people, me.user_id)}</p>
      ) : (
        <div className="printed-message">
          <strong>
            <bdi>{senderName(people, message.sender_id)}</bdi> <time>{time(message.sent_at)}</time>
          </strong>
          <div className="printed-text" dir="auto">
            {message.deleted || message.content == null ? t.conversation.deleted : <Markup blocks={blocksOf(message.content)} />}
          </div>
        </div>
      )}
    </>
  )
}
