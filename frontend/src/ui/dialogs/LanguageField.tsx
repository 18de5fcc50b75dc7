import { useId } from 'react'
import { LANGUAGES, setLanguage, t, type Language } from '../../i18n'
import { setPrefs } from '../../prefs'
import { FormError } from '../Field'
import { useAction, usePrefs } from '../hooks'

/** The choice of the language. The page changes at once. */
export function LanguageField() {
  const { language } = usePrefs()
  const { error, run } = useAction()
  const id = useId()

  const choose = (chosen: Language | null) =>
    run(async () => {
      await setLanguage(chosen)
      setPrefs({ language: chosen })
    })

  return (
    <div className="field">
      <label htmlFor={id}>{t.settings.language}</label>
      <div className="field-box">
        <select
          id={id}
          value={language ?? ''}
          onChange={(event) => void choose((event.target.value as Language | '') || null)}
        >
          <option value="">{t.settings.languageOfBrowser}</option>
          {Object.entries(LANGUAGES).map(([name, ownName]) => (
            <option key={name} value={name} lang={name}>
              {ownName}
            </option>
          ))}
        </select>
      </div>
      <FormError text={error} />
    </div>
  )
}
