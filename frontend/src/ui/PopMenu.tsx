// The menu's inside, in a file of its own that is fetched once the page is up.

import { Menu, MenuItem, MenuSeparator, useMenuStore, useStoreState } from '@ariakit/react'
import { useEffect, useRef, type ReactNode } from 'react'

export interface MenuAction {
  icon: ReactNode
  text: string
  danger?: boolean
  /** A line above it. */
  apart?: boolean
  act: () => void
}

export interface PopMenuProps {
  label: string
  /** Where it hangs. */
  rect: DOMRect
  /** Where the focus goes when it closes. */
  back: HTMLElement | null
  head?: ReactNode
  actions: readonly MenuAction[]
  onClose: () => void
}

export default function PopMenu({ label, rect, back, head, actions, onClose }: PopMenuProps) {
  const menu = useMenuStore({ placement: 'bottom-start', defaultOpen: false })
  const open = useStoreState(menu, 'open')
  const was = useRef(false)

  useEffect(() => {
    // Opened from the keyboard one goes on with it; opened by hand nothing is chosen yet.
    const keyboard = document.activeElement?.matches(':focus-visible') ?? false
    menu.setAutoFocusOnShow(true)
    menu.setInitialFocus(keyboard ? 'first' : 'container')
    menu.show()
  }, [menu])

  useEffect(() => {
    if (was.current && !open) onClose()
    was.current = open
  }, [open, onClose])

  return (
    <Menu
      store={menu}
      className="menu"
      portal
      modal
      backdrop={false}
      aria-label={label}
      gutter={6}
      getAnchorRect={() => rect}
      finalFocus={back}
    >
      {head}
      {actions.map(({ icon, text, danger, apart, act }) => (
        <div key={text} role="none">
          {apart && <MenuSeparator className="menu-line" />}
          <MenuItem className={`menu-item ${danger ? 'menu-danger' : ''}`} onClick={act}>
            {icon} {text}
          </MenuItem>
        </div>
      ))}
    </Menu>
  )
}
