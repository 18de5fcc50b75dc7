import { useState, type FormEvent } from 'react'
import { useLocation } from 'wouter'
import type { Person } from '../../core/state'
import { isBlank } from '../../core/text'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Field, FormError } from '../Field'
import { useAction } from '../hooks'
import { addPeople } from './add_people'
import { Dialog } from './Dialog'
import { PeoplePicker } from './PeoplePicker'

export function NewGroup({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [chosen, setChosen] = useState<readonly Person[]>([])
  /** The group once it is created: a second try adds to it. */
  const [groupId, setGroupId] = useState<number | null>(null)
  const { busy, error, fields, run } = useAction()
  const [, navigate] = useLocation()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    await run(async () => {
      const id = groupId ?? (await messenger.groups.create(name.trim()))
      setGroupId(id)
      const refused = await addPeople(id, chosen)
      setChosen(refused.people)
      if (refused.error !== null) throw refused.error
      navigate(`/c/${id}`)
    })
  }

  const submitLabel =
    groupId === null ? (busy ? t.group.creating : t.group.create) : chosen.length > 0 ? t.common.retry : t.group.open

  return (
    <Dialog title={t.group.newTitle} onClose={onClose}>
      <form className="dialog-form" onSubmit={(event) => void submit(event)}>
        <div className="dialog-body">
          <FormError text={error} />
          <Field
            label={t.group.name}
            placeholder={t.group.namePlaceholder}
            error={fields.name}
            required
            readOnly={groupId !== null}
            maxLength={100}
            data-autofocus
            autoComplete="off"
            value={name}
            onChange={(e) => setName(e.target.value)}
          />
          <h3>{t.group.people}</h3>
          <PeoplePicker chosen={chosen} onChange={setChosen} />
        </div>
        <footer className="dialog-foot">
          <button type="button" className="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button className="button button-main" disabled={busy || isBlank(name)}>
            {submitLabel}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
