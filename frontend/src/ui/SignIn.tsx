import { useState, type FormEvent } from 'react'
import { Link, useLocation, useSearch } from 'wouter'
import { t } from '../i18n'
import { messenger } from '../platform'
import { Field, FormError, NewPasswordField } from './Field'
import { useAction, useAppState } from './hooks'
import { Logo } from './Logo'

const INVITATION = /^\/join\/[0-9A-Za-z]{22}$/

/** The path to open after the log-in: an invitation that was followed before it, else the list. */
export function pathAfterSignIn(search: string): string {
  const path = new URLSearchParams(search).get('then') ?? ''
  return INVITATION.test(path) ? path : '/'
}

/** The invitation that was followed; null if none. */
function useInvitation(): string | null {
  const [path] = useLocation()
  const then = pathAfterSignIn(useSearch())
  return INVITATION.test(path) ? path : then === '/' ? null : then
}

/** Another form, which keeps the invitation. */
function OtherForm({ path, text }: { path: string; text: string }) {
  const invitation = useInvitation()
  return <Link href={invitation === null ? path : `${path}?then=${invitation}`}>{text}</Link>
}

export function SignIn() {
  const [path] = useLocation()
  const invitation = useInvitation()
  const registering = path === '/register'
  return (
    <main className="sign-in">
      <div className="sign-in-card">
        <Logo />
        <h1>{t.appName}</h1>
        <p className="sign-in-tagline">{invitation === null ? t.signIn.tagline : t.join.signIn}</p>
        {registering ? <RegisterForm /> : <LoginForm />}
      </div>
    </main>
  )
}

function LoginForm() {
  const expired = useAppState((state) => state.expired)
  const { busy, error, run } = useAction()
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')

  const submit = (event: FormEvent) => {
    event.preventDefault()
    void run(() => messenger.session.login(username.trim(), password))
  }

  return (
    <form onSubmit={submit} aria-label={t.signIn.login}>
      <FormError text={error ?? (expired && !busy ? t.signIn.expired : null)} />
      <Field
        label={t.signIn.username}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        autoFocus
        value={username}
        onChange={(e) => setUsername(e.target.value)}
      />
      <Field
        label={t.signIn.password}
        name="password"
        type="password"
        autoComplete="current-password"
        required
        value={password}
        onChange={(e) => setPassword(e.target.value)}
      />
      <button className="button button-main" disabled={busy}>
        {busy ? t.signIn.loggingIn : t.signIn.login}
      </button>
      <p className="sign-in-other">
        {t.signIn.noAccount} <OtherForm path="/register" text={t.signIn.register} />
      </p>
    </form>
  )
}

function RegisterForm() {
  const { busy, error, fields, run } = useAction()
  const [full_name, setName] = useState('')
  const [username, setUsername] = useState('')
  const [password, setPassword] = useState('')

  const submit = (event: FormEvent) => {
    event.preventDefault()
    void run(() =>
      messenger.session.register({
        username: username.trim().toLowerCase(),
        full_name: full_name.trim(),
        password,
      }),
    )
  }

  return (
    <form onSubmit={submit} aria-label={t.signIn.register}>
      <FormError text={error} />
      <Field
        label={t.signIn.fullName}
        hint={t.signIn.fullNameHint}
        error={fields.full_name}
        name="full_name"
        autoComplete="name"
        required
        maxLength={100}
        autoFocus
        value={full_name}
        onChange={(e) => setName(e.target.value)}
      />
      <Field
        label={t.signIn.username}
        hint={t.signIn.usernameHint}
        error={fields.username}
        name="username"
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        minLength={3}
        maxLength={32}
        pattern="[A-Za-z0-9_.\-]{3,32}"
        title={t.fields.username}
        value={username}
        onChange={(e) => setUsername(e.target.value)}
      />
      <NewPasswordField
        label={t.signIn.password}
        error={fields.password}
        name="password"
        value={password}
        onChange={(e) => setPassword(e.target.value)}
      />
      <button className="button button-main" disabled={busy}>
        {busy ? t.signIn.registering : t.signIn.register}
      </button>
      <p className="sign-in-other">
        {t.signIn.haveAccount} <OtherForm path="/login" text={t.signIn.login} />
      </p>
    </form>
  )
}
