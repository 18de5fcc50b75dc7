import { useEffect } from 'react'
import type { Message, Reaction } from '../../core/types'
import { messageAt } from '../../core/history'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Avatar } from '../Avatar'
import { nameOf } from '../format'
import { useAppState } from '../hooks'
import { Dialog } from './Dialog'

/** Who reacted to a message, by emoji. */
export function WhoReacted({ message, onClose }: { message: Message; onClose: () => void }) {
  const shown = useAppState((state) => messageAt(state.histories.get(message.chat_id), message.seq)) ?? message
  const reactions = shown.reactions ?? []
  return (
    <Dialog title={t.reactions.who} onClose={onClose} small>
      <div className="dialog-body">
        {reactions.length === 0 && <p className="dialog-note">{t.reactions.none}</p>}
        {reactions.map((reaction) => (
          <People key={reaction.emoji} reaction={reaction} />
        ))}
      </div>
    </Dialog>
  )
}

function People({ reaction: { emoji, count, user_ids } }: { reaction: Reaction }) {
  const people = useAppState((state) => state.people)
  useEffect(() => {
    for (const id of user_ids) if (!people.has(id)) void messenger.people.lookUp(id)
  }, [user_ids, people])
  const others = count - user_ids.length
  return (
    <section className="people">
      <h3>
        <span className="emoji">{emoji}</span> {count}
      </h3>
      <ul>
        {user_ids.map((id) => {
          const person = people.get(id)
          return (
            <li key={id} className="person">
              <Avatar id={id} name={nameOf(person)} picture={person?.profile_picture} size="s" />
              <bdi className="person-name">{nameOf(person)}</bdi>
            </li>
          )
        })}
      </ul>
      {others > 0 && <p className="dialog-note">{t.reactions.others(others)}</p>}
    </section>
  )
}
