// All dialogs, in a file of their own that is loaded when the first one opens.

import { useStore } from 'zustand'
import { closeDialog, closeQuestion, dialogs } from '../dialog_state'
import { Contact } from './Contact'
import { GroupInfo } from './GroupInfo'
import { NewGroup } from './NewGroup'
import { QuestionDialog } from './QuestionDialog'
import { ReadBy } from './ReadBy'
import { Settings } from './Settings'
import { Shortcuts } from './Shortcuts'

export default function Dialogs() {
  const { dialog, question } = useStore(dialogs)
  return (
    <>
      {dialog?.kind === 'settings' && <Settings onClose={closeDialog} />}
      {dialog?.kind === 'shortcuts' && <Shortcuts onClose={closeDialog} />}
      {dialog?.kind === 'new_group' && <NewGroup onClose={closeDialog} />}
      {dialog?.kind === 'group' && <GroupInfo id={dialog.id} onClose={closeDialog} />}
      {dialog?.kind === 'contact' && <Contact id={dialog.id} onClose={closeDialog} />}
      {dialog?.kind === 'read_by' && <ReadBy message={dialog.message} onClose={closeDialog} />}
      {question !== null && <QuestionDialog question={question} onClose={closeQuestion} />}
    </>
  )
}
