import { useState, type FormEvent } from 'react'
import { useLocation } from 'wouter'
import type { Person } from '../../core/state'
import { isBlank } from '../../core/text'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { Field, FormError } from '../Field'
import { useAction } from '../hooks'
import { Dialog } from './Dialog'
import { PeoplePicker } from './PeoplePicker'

export function NewGroup({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('')
  const [chosen, setChosen] = useState<readonly Person[]>([])
  const { busy, error, fields, run } = useAction()
  const [, navigate] = useLocation()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    await run(async () => {
      const id = await messenger.groups.create(
        name.trim(),
        chosen.map((person) => person.user_id),
      )
      onClose()
      navigate(`/c/${id}`)
    })
  }

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
            {busy ? t.group.creating : t.group.create}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
