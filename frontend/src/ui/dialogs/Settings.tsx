import { useEffect, useState, type FormEvent } from 'react'
import { isBlank } from '../../core/text'
import { t } from '../../i18n'
import { canNotify, playSound } from '../../notifications'
import { messenger } from '../../platform'
import { setPrefs, type Theme } from '../../prefs'
import { Avatar, isOwnPicture } from '../Avatar'
import { Field, FormError, NewPasswordField } from '../Field'
import { useAction, useMe, usePrefs, useDebounced } from '../hooks'
import { Dialog } from './Dialog'
import { LanguageField } from './LanguageField'
import { Switch } from './Switch'

export function Settings({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={t.settings.title} onClose={onClose}>
      <div className="dialog-body settings">
        <Profile />
        <Appearance />
        <Notifications />
        <Writing />
        <Password />
        <DeleteAccount onClose={onClose} />
      </div>
    </Dialog>
  )
}

function Profile() {
  const me = useMe()
  const [name, setName] = useState(me.full_name)
  const [picture, setPicture] = useState(me.profile_picture ?? '')
  const { busy, error, fields, run } = useAction()
  const [saved, setSaved] = useState(false)
  const preview = useDebounced(picture.trim(), 400)
  const failed = useImageError(preview)
  const changed = name.trim() !== me.full_name || picture.trim() !== (me.profile_picture ?? '')

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    setSaved(
      await run(() =>
        messenger.session.updateProfile({
          full_name: name.trim(),
          profile_picture: picture.trim() === '' ? null : picture.trim(),
        }),
      ),
    )
  }

  return (
    <section>
      <h3>{t.settings.profile}</h3>
      <form onSubmit={(event) => void submit(event)}>
        <FormError text={error} />
        <div className="settings-me">
          <Avatar id={me.user_id} name={name || me.full_name} picture={preview || null} size="l" />
          <div>
            <Field
              label={t.signIn.fullName}
              error={fields.full_name}
              required
              maxLength={100}
              autoComplete="name"
              value={name}
              onChange={(e) => {
                setName(e.target.value)
                setSaved(false)
              }}
            />
            <p className="field-hint">
              <bdi dir="ltr">@{me.username}</bdi>
            </p>
          </div>
        </div>
        <Field
          label={`${t.settings.picture} (${t.common.optional})`}
          hint={t.settings.pictureHint}
          error={fields.profile_picture ?? (failed ? t.settings.pictureFailed : undefined)}
          type="url"
          dir="ltr"
          placeholder="https://"
          autoComplete="off"
          value={picture}
          onChange={(e) => {
            setPicture(e.target.value)
            setSaved(false)
          }}
        />
        <button className="button button-main" disabled={busy || !changed || isBlank(name)}>
          {busy ? t.common.saving : saved && !changed ? t.common.saved : t.common.save}
        </button>
      </form>
    </section>
  )
}

/** True if the address is on this server and there is no image. */
function useImageError(address: string): boolean {
  const [failed, setFailed] = useState<string | null>(null)
  useEffect(() => {
    if (address === '' || !isOwnPicture(address)) return
    const image = new Image()
    image.onerror = () => setFailed(address)
    image.src = address
    return () => {
      image.onerror = null
    }
  }, [address])
  return failed !== null && failed === address
}

function Appearance() {
  const { theme, formatting } = usePrefs()
  return (
    <section>
      <h3 id="theme">{t.settings.appearance}</h3>
      <div className="segments" role="radiogroup" aria-labelledby="theme">
        {(['system', 'light', 'dark'] satisfies Theme[]).map((name) => (
          <label key={name} className="segment">
            <input
              type="radio"
              name="theme"
              checked={theme === name}
              onChange={() => setPrefs({ theme: name })}
            />
            <span>{t.settings.themes[name]}</span>
          </label>
        ))}
      </div>
      <LanguageField />
      <Switch
        label={t.settings.formatting}
        more={t.settings.formattingMore}
        on={formatting}
        onChange={() => setPrefs({ formatting: !formatting })}
      />
    </section>
  )
}

function Notifications() {
  const { notifications, sound } = usePrefs()
  const [permission, setPermission] = useState(canNotify ? Notification.permission : 'denied')
  const on = notifications && permission === 'granted'

  const toggle = async () => {
    if (on) return setPrefs({ notifications: false })
    const answer = await Notification.requestPermission()
    setPermission(answer)
    setPrefs({ notifications: answer === 'granted', asked: true })
  }

  return (
    <section>
      <h3>{t.settings.notifications}</h3>
      <Switch
        label={t.settings.desktop}
        more={
          !canNotify
            ? t.settings.desktopMissing
            : permission === 'denied'
              ? t.settings.desktopBlocked
              : t.settings.desktopMore
        }
        on={on}
        disabled={!canNotify || permission === 'denied'}
        onChange={() => void toggle()}
      />
      <Switch
        label={t.settings.sound}
        more={t.settings.soundMore}
        on={sound}
        onChange={() => {
          if (!sound) playSound()
          setPrefs({ sound: !sound })
        }}
      />
    </section>
  )
}

function Writing() {
  const { enterSends } = usePrefs()
  return (
    <section>
      <h3>{t.settings.writing}</h3>
      <Switch
        label={t.settings.enterSends}
        more={t.settings.enterSendsMore}
        on={enterSends}
        onChange={() => setPrefs({ enterSends: !enterSends })}
      />
    </section>
  )
}

function Password() {
  const me = useMe()
  const [old, setOld] = useState('')
  const [next, setNext] = useState('')
  const { busy, error, fields, run } = useAction()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (!(await run(() => messenger.session.changePassword(old, next)))) return
    setOld('')
    setNext('')
    messenger.notices.show('info', t.settings.passwordChanged)
  }

  return (
    <section>
      <h3>{t.settings.password}</h3>
      <form onSubmit={(event) => void submit(event)}>
        <FormError text={error} />
        {/* The account of the password, for password managers. */}
        <input hidden readOnly autoComplete="username" value={me.username} />
        <Field
          label={t.settings.oldPassword}
          error={fields.old_password}
          type="password"
          autoComplete="current-password"
          required
          value={old}
          onChange={(e) => setOld(e.target.value)}
        />
        <NewPasswordField
          label={t.settings.newPassword}
          error={fields.new_password}
          value={next}
          onChange={(e) => setNext(e.target.value)}
        />
        <button className="button" disabled={busy || old === '' || next === ''}>
          {busy ? t.common.saving : t.settings.changePassword}
        </button>
      </form>
    </section>
  )
}

function DeleteAccount({ onClose }: { onClose: () => void }) {
  const me = useMe()
  const [open, setOpen] = useState(false)
  const [typed, setTyped] = useState('')
  const { busy, error, run } = useAction()

  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (typed !== me.username) return
    await run(async () => {
      await messenger.session.deleteAccount()
      messenger.notices.show('info', t.settings.dangerDone)
      onClose()
    })
  }

  return (
    <section className="danger-zone">
      <h3>{t.settings.danger}</h3>
      <p>{t.settings.dangerMore}</p>
      {!open ? (
        <button className="button button-quiet-danger" onClick={() => setOpen(true)}>
          {t.settings.dangerButton}
        </button>
      ) : (
        <form onSubmit={(event) => void submit(event)}>
          <FormError text={error} />
          <Field
            label={t.settings.dangerConfirm(me.username)}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            autoFocus
            value={typed}
            onChange={(e) => setTyped(e.target.value)}
          />
          <div className="danger-buttons">
            <button type="button" className="button" onClick={() => setOpen(false)}>
              {t.common.cancel}
            </button>
            <button className="button button-danger" disabled={busy || typed !== me.username}>
              {t.settings.dangerGo}
            </button>
          </div>
        </form>
      )}
    </section>
  )
}
