import { useEffect } from 'react'
import { useLocation } from 'wouter'
import { t } from '../i18n'
import { messenger } from '../platform'
import { useApp } from './hooks'
import { Logo } from './Logo'
import { Notices } from './Notices'
import { Shell } from './Shell'
import { SignIn } from './SignIn'

export function App() {
  const phase = useApp((state) => state.phase)
  const [path, navigate] = useLocation()
  const door = path === '/login' || path === '/register'

  useEffect(() => {
    if (phase === 'signed_in' && door) navigate('/', { replace: true })
  }, [phase, door, navigate])

  return (
    <>
      {phase === 'signed_in' ? <Shell /> : phase === 'signed_out' ? <SignIn /> : <Waiting />}
      <Notices />
    </>
  )
}

/** Before we know who is here. */
function Waiting() {
  const unreachable = useApp((state) => state.phase === 'unreachable')
  return (
    <main className="waiting" aria-busy={!unreachable}>
      <Logo />
      {unreachable ? (
        <div role="alert">
          <h1>{t.signIn.unreachable}</h1>
          <p>{t.signIn.unreachableMore}</p>
          <button className="button" onClick={() => messenger.hurry()}>
            {t.common.retry}
          </button>
        </div>
      ) : (
        <p className="waiting-text">{t.signIn.starting}</p>
      )}
    </main>
  )
}
