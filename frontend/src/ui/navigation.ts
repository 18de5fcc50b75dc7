// The history of the browser. It has one entry for the chat list, one for a chat above it, and one for each
// open dialog above them, so that Back closes the uppermost of them and never leads through old chats.

import type { AroundNavHandler } from 'wouter'
import { navigate } from 'wouter/use-browser-location'
import { closeDialogsTo, dialogCount, dialogs } from './dialog_state'

interface Entry {
  /** True if the entry is a chat, and the entry before it is the chat list. */
  fromList?: boolean
  /** The number of open dialogs. */
  dialogs?: number
}

const entry = (): Entry => (history.state ?? {}) as Entry
const isChat = (path: string) => path.startsWith('/c/')

/** True while a traversal that was requested here runs. */
let traversing = false
/** To be run when the traversal ends. */
const waiting: (() => void)[] = []

function traverse(by: number): void {
  traversing = true
  history.go(by)
}

/** Adds or removes entries until there is one for each open dialog. */
function reconcile(): void {
  if (traversing) return
  const open = dialogCount(dialogs.getState())
  const surplus = (entry().dialogs ?? 0) - open
  if (surplus > 0) traverse(-surplus)
  else if (surplus < 0) history.pushState({ ...entry(), dialogs: open }, '')
}

dialogs.subscribe(reconcile)
addEventListener('popstate', () => {
  if (traversing) traversing = false
  else closeDialogsTo(entry().dialogs ?? 0)
  reconcile()
  while (!traversing && waiting.length > 0) waiting.shift()!()
})
// After a reload with an open dialog, or Forward to one that was closed.
reconcile()

/** Resolves when the page is at the entry of the last navigation. */
export function navigated(): Promise<void> {
  return new Promise((resolve) => (traversing ? waiting.push(resolve) : resolve()))
}

/** Closes all dialogs, then opens a path: the handler of all links and calls of `navigate`. */
export const navigateByLevel: AroundNavHandler = (navigate, to, options) => {
  const move = () => {
    const inChat = isChat(location.pathname)
    if (!inChat) navigate(to, { ...options, state: isChat(to) ? { fromList: true } : null })
    else if (to === '/' && entry().fromList) traverse(-1)
    else navigate(to, { ...options, replace: true, state: isChat(to) ? entry() : null })
  }
  closeDialogsTo(0)
  if (traversing) waiting.push(move)
  else move()
}

/** Opens a path from outside of the components. */
export const openPath = (path: string) => navigateByLevel(navigate, path)
