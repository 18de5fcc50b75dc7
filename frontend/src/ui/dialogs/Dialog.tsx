import { useEffect, useId, useRef, type ReactNode } from 'react'
import { t } from '../../i18n'
import { X } from '../icons'

interface Props {
  title: string
  onClose: () => void
  children: ReactNode
  /** True for a narrow dialog. */
  small?: boolean
}

/**
 * A modal <dialog>. The browser traps the focus, makes the rest of the page inert, and closes the dialog
 * on Escape; navigation.ts closes it on Back. The focus returns to the element that had it before.
 */
export function Dialog({ title, onClose, children, small }: Props) {
  const id = useId()
  const ref = useRef<HTMLDialogElement>(null)

  useEffect(() => {
    const dialog = ref.current!
    const focusedBefore = document.activeElement
    if (!dialog.open) dialog.showModal()
    // React applies autoFocus before the dialog is open.
    dialog.querySelector<HTMLElement>('[data-autofocus]')?.focus()
    return () => {
      dialog.close()
      if (focusedBefore instanceof HTMLElement && focusedBefore.isConnected) focusedBefore.focus()
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
      onClose={() => {
        // Without a user action since the last `cancel`, the browser closes it itself.
        if (ref.current?.open === false) onClose()
      }}
      onMouseDown={(event) => {
        // The dialog has no padding, so an event on the element itself is one on the backdrop.
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
