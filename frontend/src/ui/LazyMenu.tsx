import { lazy, Suspense } from 'react'
import type { PopMenuProps } from './PopMenu'

const PopMenu = lazy(() => import('./PopMenu'))

export function LazyMenu(props: PopMenuProps) {
  return (
    <Suspense>
      <PopMenu {...props} />
    </Suspense>
  )
}

/** Fetches what is not needed for the first look while there is a server to fetch it from. */
export function fetchLater(): void {
  const later = window.requestIdleCallback ?? ((run: () => void) => setTimeout(run, 1_500))
  later(() => {
    void import('./PopMenu').catch(() => {})
    void import('./dialogs/Dialogs').catch(() => {})
  })
}
