import { useEffect } from 'react'
import { Router, useLocation } from 'wouter'
import { t } from '../i18n'
import { messenger } from '../platform'
import { useAppState, useTexts } from './hooks'
import { Logo } from './Logo'
import { navigateByLevel } from './navigation'
import { Notices } from './Notices'
import { PrintView } from './PrintView'
import { Shell } from './Shell'
import { pathAfterSignIn, SignIn } from './SignIn'
import { useFileDrop } from './useFileDrop'

export function App() {
  useTexts()
  useFileDrop()
  return (
    <Router aroundNav={navigateByLevel}>
      <Screen />
      <Notices />
      <PrintView />
    </Router>
  )
}

function Screen() {
  const phase = useAppState((state) => state.phase)
  const [path, navigate] = useLocation()
  const isSignInPath = path === '/login' || path === '/register'

  useEffect(() => {
    if (phase === 'signed_in' && isSignInPath) navigate(pathAfterSignIn(location.search), { replace: true })
  }, [phase, isSignInPath, navigate])

  return phase === 'signed_in' ? <Shell /> : phase === 'signed_out' ? <SignIn /> : <StartScreen />
}

/** Shown while the session is checked. */
function StartScreen() {
  const unreachable = useAppState((state) => state.phase === 'unreachable')
  return (
    <main className="waiting" aria-busy={!unreachable}>
      <Logo />
      {unreachable ? (
        <div role="alert">
          <h1>{t.signIn.unreachable}</h1>
          <p>{t.signIn.unreachableMore}</p>
          <button className="button" onClick={() => messenger.reconnect()}>
            {t.common.retry}
          </button>
        </div>
      ) : (
        <p className="waiting-text">{t.signIn.starting}</p>
      )}
    </main>
  )
}
