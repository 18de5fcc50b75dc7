// Loads the menus and the dialogs on demand: they are not part of the first screen.

import { lazy, Suspense } from 'react'
import type { PopupMenuProps } from './PopupMenu'

const PopupMenu = lazy(() => import('./PopupMenu'))

export function LazyPopupMenu(props: PopupMenuProps) {
  return (
    <Suspense>
      <PopupMenu {...props} />
    </Suspense>
  )
}

/** Loads all chunks when the page is idle, so that they are there if the connection is lost. */
export function prefetchChunks(): void {
  const whenIdle = window.requestIdleCallback ?? ((run: () => void) => setTimeout(run, 1_500))
  whenIdle(() => {
    void import('./PopupMenu').catch(() => {})
    void import('./dialogs/Dialogs').catch(() => {})
    void import('./search/FoundMessages').catch(() => {})
    void import('./search/ChatSearch').catch(() => {})
  })
}
