import { X } from '../icons'
import { useEffect, useId, useRef, type ReactNode } from 'react'
import { t } from '../../i18n'

interface Props {
  title: string
  onClose: () => void
  children: ReactNode
  /** A short question rather than a form. */
  small?: boolean
}

/**
 * The browser's own modal dialog: it traps the focus, makes the rest of the page inert, closes on
 * Escape (and on Back, on Android) and gives the focus back to where it was.
 */
export function Dialog({ title, onClose, children, small }: Props) {
  const id = useId()
  const ref = useRef<HTMLDialogElement>(null)

  useEffect(() => {
    const dialog = ref.current!
    const before = document.activeElement
    if (!dialog.open) dialog.showModal()
    // React's autoFocus comes too early: the dialog is not open yet.
    dialog.querySelector<HTMLElement>('[data-autofocus]')?.focus()
    return () => {
      dialog.close()
      if (before instanceof HTMLElement && before.isConnected) before.focus()
    }
  }, [])

  return (
    <dialog
      ref={ref}
      className={`dialog ${small ? 'dialog-small' : ''}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onKeyDown={(event) => event.stopPropagation()}
      onMouseDown={(event) => {
        // Beside it: the dialog itself has no padding, so this is its backdrop.
        if (event.target === ref.current) onClose()
      }}
    >
      <div className="dialog-frame">
        <header className="dialog-head">
          <h2 id={id}>{title}</h2>
          <button className="icon-button" aria-label={t.common.close} onClick={onClose}>
            <X aria-hidden />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  )
}
