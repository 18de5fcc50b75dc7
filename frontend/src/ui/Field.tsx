import { useId, useState, type ComponentProps } from 'react'
import { t } from '../i18n'
import { Eye, EyeOff } from './icons'

interface Props extends ComponentProps<'input'> {
  label: string
  hint?: string
  error?: string | undefined
  'data-autofocus'?: boolean
}

/** An input with its label, hint and error message. */
export function Field({ label, hint, error, type, ...input }: Props) {
  const id = useId()
  const [shown, setShown] = useState(false)
  const isPassword = type === 'password'
  return (
    <div className={`field ${error ? 'field-bad' : ''}`}>
      <label htmlFor={id}>{label}</label>
      <div className="field-box">
        <input
          dir={input.value === '' ? undefined : 'auto'}
          {...input}
          id={id}
          type={isPassword && shown ? 'text' : type}
          aria-invalid={error ? true : undefined}
          aria-describedby={hint || error ? `${id}-note` : undefined}
        />
        {isPassword && (
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

/** An input for a new password, with the limits of the server. */
export function NewPasswordField(props: Omit<Props, 'hint' | 'type'>) {
  return (
    <Field
      {...props}
      hint={t.signIn.passwordHint}
      type="password"
      autoComplete="new-password"
      required
      minLength={8}
      maxLength={1024}
    />
  )
}

/** The error message of a form. */
export function FormError({ text }: { text: string | null }) {
  return (
    <div role="alert" className="form-error-slot">
      {text && <p className="form-error">{text}</p>}
    </div>
  )
}
