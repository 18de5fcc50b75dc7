import { Eye, EyeOff } from './icons'
import { useId, useState, type ComponentProps } from 'react'
import { t } from '../i18n'

interface Props extends ComponentProps<'input'> {
  label: string
  hint?: string
  error?: string | undefined
  'data-autofocus'?: boolean
}

/** A labelled line of input with its hint and its error. */
export function Field({ label, hint, error, type, ...input }: Props) {
  const id = useId()
  const [shown, setShown] = useState(false)
  const secret = type === 'password'
  return (
    <div className={`field ${error ? 'field-bad' : ''}`}>
      <label htmlFor={id}>{label}</label>
      <div className="field-box">
        <input
          {...input}
          id={id}
          type={secret && shown ? 'text' : type}
          aria-invalid={error ? true : undefined}
          aria-describedby={hint || error ? `${id}-note` : undefined}
        />
        {secret && (
          <button
            type="button"
            className="icon-button"
            aria-label={shown ? t.signIn.hidePassword : t.signIn.showPassword}
            aria-pressed={shown}
            onClick={() => setShown(!shown)}
          >
            {shown ? <EyeOff aria-hidden /> : <Eye aria-hidden />}
          </button>
        )}
      </div>
      {(error || hint) && (
        <p id={`${id}-note`} className={error ? 'field-error' : 'field-hint'}>
          {error || hint}
        </p>
      )}
    </div>
  )
}

/** What went wrong with a whole form. */
export function FormError({ text }: { text: string | null }) {
  return (
    <div role="alert" className="form-error-slot">
      {text && <p className="form-error">{text}</p>}
    </div>
  )
}
