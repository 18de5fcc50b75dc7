import type { Person } from '../../core/state'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { UserError, errorText, nameOf } from '../format'

/** Those who could not be added, and an error that names them; null if all were added. */
interface Refused {
  people: readonly Person[]
  error: UserError | null
}

/** Adds people to a group. */
export async function addPeople(groupId: number, people: readonly Person[]): Promise<Refused> {
  const errors = await messenger.groups.addMembers(
    groupId,
    people.map((person) => person.user_id),
  )
  const refused = people.filter((person) => errors.has(person.user_id))
  const sentences = refused.map((person) =>
    t.group.notAdded(nameOf(person), errorText(errors.get(person.user_id))),
  )
  return { people: refused, error: refused.length === 0 ? null : new UserError(sentences.join('\n')) }
}
