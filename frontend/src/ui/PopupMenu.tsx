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

/** A small button in the row above the actions. */
export interface QuickAction {
  content: ReactNode
  label: string
  /** True if it is on: a click ends it. */
  pressed: boolean
  onSelect: () => void
}

export interface PopupMenuProps {
  label: string
  /** The element or point below which it opens. */
  rect: DOMRect
  /** Receives the focus when the menu closes. */
  returnFocus: HTMLElement | null
  header?: ReactNode
  quick?: readonly QuickAction[]
  actions: readonly MenuAction[]
  onClose: () => void
}

export default function PopupMenu(props: PopupMenuProps) {
  const { label, rect, returnFocus, header, quick = [], actions, onClose } = props
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
      {quick.length > 0 && (
        <div className="menu-quick" role="none">
          {quick.map(({ content, label, pressed, onSelect }) => (
            <MenuItem
              key={label}
              className={`menu-quick-item ${pressed ? 'menu-quick-pressed' : ''}`}
              aria-label={label}
              aria-checked={pressed}
              role="menuitemcheckbox"
              onClick={onSelect}
            >
              {content}
            </MenuItem>
          ))}
        </div>
      )}
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
