import { t } from '../../i18n'
import type { Confirmation } from '../dialog_state'
import { FormError } from '../Field'
import { useAction } from '../hooks'
import { Dialog } from './Dialog'

interface Props {
  confirmation: Confirmation
  onClose: () => void
}

/** Asks before an action that cannot be undone. */
export function ConfirmDialog({ confirmation, onClose }: Props) {
  const { busy, error, run } = useAction()
  const confirm = async () => {
    if (await run(confirmation.onConfirm)) onClose()
  }
  return (
    <Dialog title={confirmation.title} onClose={onClose} small>
      <div className="dialog-body">
        <p>{confirmation.message}</p>
        <FormError text={error} />
      </div>
      <footer className="dialog-foot">
        <button className="button" data-autofocus onClick={onClose}>
          {t.common.cancel}
        </button>
        <button className="button button-danger" disabled={busy} onClick={() => void confirm()}>
          {confirmation.confirmLabel}
        </button>
      </footer>
    </Dialog>
  )
}
