import { useEffect, useRef } from 'react'
import { useLocation } from 'wouter'
import { openDialog } from './dialog_state'
import { useSortedChats } from './hooks'
import { isComposing } from './keys'

/** Installs the keyboard shortcuts of the page. `open` is the id of the open chat; null if none. */
export function useShortcuts(open: number | null): void {
  const [, navigate] = useLocation()
  const chats = useSortedChats()
  const latest = useRef({ open, chats })
  useEffect(() => {
    latest.current = { open, chats }
  })

  useEffect(() => {
    const openNeighbour = (step: 1 | -1) => {
      const { open, chats } = latest.current
      const at = chats.findIndex((chat) => chat.chat_id === open)
      const next = at < 0 ? chats[0] : chats[at + step]
      if (next !== undefined) navigate(`/c/${next.chat_id}`)
    }
    const onKeyDown = (event: KeyboardEvent) => {
      if (isComposing(event) || document.querySelector('dialog[open]') !== null) return
      const command = event.ctrlKey || event.metaKey
      const key = event.key.toLowerCase()
      const run = (action: () => void) => {
        event.preventDefault()
        action()
      }
      if (command && !event.altKey && !event.shiftKey && key === 'k')
        run(() => document.getElementById('search')?.focus())
      else if (command && !event.altKey && !event.shiftKey && key === 'f') {
        const search = document.getElementById('chat-search')
        if (search !== null) run(() => search.click())
      } else if (command && key === '/') run(() => openDialog({ kind: 'shortcuts' }))
      else if (command && key === ',') run(() => openDialog({ kind: 'settings' }))
      else if (event.altKey && !command && event.key === 'ArrowDown') run(() => openNeighbour(1))
      else if (event.altKey && !command && event.key === 'ArrowUp') run(() => openNeighbour(-1))
      else if (event.altKey && !command && event.code === 'KeyG')
        run(() => openDialog({ kind: 'new_group' }))
      else if (event.key === '?' && !isTextField(event.target))
        run(() => openDialog({ kind: 'shortcuts' }))
    }
    addEventListener('keydown', onKeyDown)
    return () => removeEventListener('keydown', onKeyDown)
  }, [navigate])
}

function isTextField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))
  )
}
