import type { Group } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { FormError } from '../Field'
import { useAction } from '../hooks'

/** Below a list of the group's members that are loaded: loads the members that follow. */
export function MoreMembers({ group }: { group: Group }) {
  const { busy, error, run } = useAction()
  if (group.next === null) return null
  return (
    <>
      <FormError text={error} />
      <button
        className="button button-wide"
        disabled={busy}
        onClick={() => void run(() => messenger.groups.loadMore(group.group_id))}
      >
        {t.group.moreMembers}
      </button>
    </>
  )
}
