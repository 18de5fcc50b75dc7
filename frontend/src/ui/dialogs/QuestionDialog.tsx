import { t } from '../../i18n'
import type { Question } from '../dialog_state'
import { FormError } from '../Field'
import { useAct } from '../hooks'
import { Dialog } from './Dialog'

/** Before something that cannot be undone. */
export function QuestionDialog({ question, onClose }: { question: Question; onClose: () => void }) {
  const { busy, error, run } = useAct()
  const go = async () => {
    if (await run(question.act)) onClose()
  }
  return (
    <Dialog title={question.title} onClose={onClose} small>
      <div className="dialog-body">
        <p>{question.more}</p>
        <FormError text={error} />
      </div>
      <footer className="dialog-foot">
        <button className="button" data-autofocus onClick={onClose}>
          {t.common.cancel}
        </button>
        <button className="button button-danger" disabled={busy} onClick={() => void go()}>
          {question.yes}
        </button>
      </footer>
    </Dialog>
  )
}
