import { useLocation } from 'wouter'
import { t } from '../../i18n'
import { MessageResults } from './MessageResults'
import { useMessageSearch } from './useMessageSearch'

/** The messages of all chats that a search has found. They stay while one of them is read. */
export default function FoundMessages({ query }: { query: string }) {
  const [, navigate] = useLocation()
  const search = useMessageSearch({ q: query })
  return (
    <section>
      <h2 className="list-heading">{t.search.messages}</h2>
      <MessageResults
        search={search}
        inChat={false}
        onSelect={(message) => navigate(`/c/${message.chat_id}/${message.seq}`)}
      />
    </section>
  )
}
