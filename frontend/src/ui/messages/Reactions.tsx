import type { Message, Reaction } from '../../core/types'
import type { Person } from '../../core/state'
import { t } from '../../i18n'
import { openDialog } from '../dialog_state'
import { nameOf } from '../format'
import { useAppState, useMe } from '../hooks'
import { SmilePlus } from '../icons'
import { toggleReaction } from './reacting'

/** How many names the label of a reaction has. */
const NAMES = 5

/** The reactions to a message, each a button that adds or removes the own one. */
export function Reactions({ message }: { message: Message }) {
  const me = useMe()
  const people = useAppState((state) => state.people)
  const { reactions } = message
  if (reactions === undefined || reactions.length === 0) return null
  return (
    <ul className="reactions" aria-label={t.reactions.label}>
      {reactions.map((reaction) => {
        const who = namesOf(reaction, people, me.user_id)
        return (
          <li key={reaction.emoji}>
            <button
              className={`reaction ${reaction.mine ? 'reaction-mine' : ''}`}
              tabIndex={-1}
              data-inner
              aria-pressed={reaction.mine}
              aria-label={t.reactions.by(reaction.emoji, who)}
              title={who}
              onClick={() => toggleReaction(message, reaction.emoji)}
              onContextMenu={(event) => {
                event.preventDefault()
                event.stopPropagation()
                openDialog({ kind: 'reactions', message })
              }}
            >
              <span className="emoji">{reaction.emoji}</span> {reaction.count}
            </button>
          </li>
        )
      })}
      <li>
        <button
          className="reaction reaction-add"
          tabIndex={-1}
          data-inner
          aria-label={t.reactions.add}
          title={t.reactions.add}
          onClick={() => openDialog({ kind: 'emoji', message })}
        >
          <SmilePlus aria-hidden />
        </button>
      </li>
    </ul>
  )
}

/** The first names, and how many others there are. */
function namesOf({ user_ids, count }: Reaction, people: ReadonlyMap<number, Person>, me: number): string {
  const named = user_ids.slice(0, NAMES)
  const names = named.map((id) => (id === me ? t.common.you : nameOf(people.get(id)))).join(', ')
  return count > named.length ? t.reactions.namesAnd(names, count - named.length) : names
}
