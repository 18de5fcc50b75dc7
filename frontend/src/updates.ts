// Registers the service worker, and finds out when a new build of the page is ready.

import { createStore } from 'zustand/vanilla'

const CHECK_MS = 60 * 60_000

/** `ready` is true if a new build waits for the user. */
export const updates = createStore<{ ready: boolean }>(() => ({ ready: false }))

let worker: ServiceWorkerRegistration | null = null
let accepted = false

/** The registration of the service worker; null without one. */
export const serviceWorker = () => worker

export async function startUpdates(): Promise<void> {
  if (!('serviceWorker' in navigator)) return
  const { serviceWorker } = navigator
  const version = document.querySelector<HTMLMetaElement>('meta[name=version]')!.content
  // Held as long as the page is open: its assets are kept.
  void navigator.locks.request(`parley-page-${version}`, { mode: 'shared' }, () => new Promise(() => {}))
  // Another build took over, at the request of this tab or of another one.
  let controlled = serviceWorker.controller !== null
  serviceWorker.addEventListener('controllerchange', () => {
    if (accepted) location.reload()
    else if (controlled) updates.setState({ ready: true })
    controlled = true
  })
  try {
    worker = await serviceWorker.register('/sw.js')
  } catch {
    return // The page works without it.
  }
  serviceWorker.controller?.postMessage('page_started')
  const check = () => updates.setState((state) => ({ ready: state.ready || isWaiting() }))
  check()
  worker.addEventListener('updatefound', () => worker!.installing?.addEventListener('statechange', check))
  setInterval(() => void worker!.update().catch(() => {}), CHECK_MS)
}

/** True if a new build is installed beside the one in use. */
const isWaiting = () => worker?.waiting != null && navigator.serviceWorker.controller !== null

/** Reloads the page with the new build. */
export function acceptUpdate(): void {
  accepted = true
  if (worker?.waiting) worker.waiting.postMessage('take_over')
  else location.reload()
}
