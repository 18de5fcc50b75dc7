// A popup menu. Loaded by LazyPopupMenu, because the menu library is large.

import { Menu, MenuItem, MenuSeparator, useMenuStore, useStoreState } from '@ariakit/react'
import { useEffect, useRef, type ReactNode } from 'react'

export interface MenuAction {
  icon: ReactNode
  text: string
  danger?: boolean
  /** True to draw a line above it. */
  separated?: boolean
  onSelect: () => void
}

export interface PopupMenuProps {
  label: string
  /** The element or point below which it opens. */
  rect: DOMRect
  /** Receives the focus when the menu closes. */
  returnFocus: HTMLElement | null
  header?: ReactNode
  actions: readonly MenuAction[]
  onClose: () => void
}

export default function PopupMenu(props: PopupMenuProps) {
  const { label, rect, returnFocus, header, actions, onClose } = props
  const menu = useMenuStore({ placement: 'bottom-start', defaultOpen: false })
  const open = useStoreState(menu, 'open')
  const wasOpen = useRef(false)

  useEffect(() => {
    // The first item gets the focus if the menu was opened by the keyboard, not by the pointer.
    const keyboard = document.activeElement?.matches(':focus-visible') ?? false
    menu.setAutoFocusOnShow(true)
    menu.setInitialFocus(keyboard ? 'first' : 'container')
    menu.show()
  }, [menu])

  useEffect(() => {
    if (wasOpen.current && !open) onClose()
    wasOpen.current = open
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
      finalFocus={returnFocus}
    >
      {header}
      {actions.map(({ icon, text, danger, separated, onSelect }) => (
        <div key={text} role="none">
          {separated && <MenuSeparator className="menu-line" />}
          <MenuItem className={`menu-item ${danger ? 'menu-danger' : ''}`} onClick={onSelect}>
            {icon} {text}
          </MenuItem>
        </div>
      ))}
    </Menu>
  )
}
