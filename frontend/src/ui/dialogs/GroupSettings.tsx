import { useState, type FormEvent } from 'react'
import type { Group, GroupChange } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Field, FormError } from '../Field'
import { useAction } from '../hooks'
import { Switch } from './Switch'

/** The description, and who may write and add people. */
export function GroupSettings({ group, onDone }: { group: Group; onDone: () => void }) {
  const [description, setDescription] = useState(group.description ?? '')
  const { busy, error, fields, run } = useAction()
  const edit = (change: GroupChange) => run(() => messenger.groups.edit(group.group_id, change))
  const toggle = (what: 'posting' | 'adding') => () =>
    void edit({ [what]: group[what] === 'admins' ? 'all' : 'admins' })

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (await edit({ description: description.trim() || null })) onDone()
  }

  return (
    <form className="dialog-form" onSubmit={(event) => void submit(event)}>
      <div className="dialog-body">
        <FormError text={error} />
        <Field
          label={t.group.description}
          error={fields.description}
          maxLength={1000}
          data-autofocus
          autoComplete="off"
          value={description}
          onChange={(event) => setDescription(event.target.value)}
        />
        <Switch
          label={t.group.posting}
          more={t.group.postingMore}
          on={group.posting === 'admins'}
          disabled={busy}
          onChange={toggle('posting')}
        />
        <Switch
          label={t.group.adding}
          more={t.group.addingMore}
          on={group.adding === 'admins'}
          disabled={busy}
          onChange={toggle('adding')}
        />
      </div>
      <footer className="dialog-foot">
        <button type="button" className="button" onClick={onDone}>
          {t.common.back}
        </button>
        <button className="button button-main" disabled={busy}>
          {busy ? t.common.saving : t.common.save}
        </button>
      </footer>
    </form>
  )
}
