// All dialogs, in one chunk that is not part of the first screen.

import { useStore } from 'zustand'
import { closeConfirmation, closeDialog, dialogs } from '../dialog_state'
import { ConfirmDialog } from './ConfirmDialog'
import { Contact } from './Contact'
import { GroupInfo } from './GroupInfo'
import { NewGroup } from './NewGroup'
import { ReadBy } from './ReadBy'
import { Settings } from './Settings'
import { Shortcuts } from './Shortcuts'

export default function Dialogs() {
  const { dialog, confirmation } = useStore(dialogs)
  return (
    <>
      {dialog?.kind === 'settings' && <Settings onClose={closeDialog} />}
      {dialog?.kind === 'shortcuts' && <Shortcuts onClose={closeDialog} />}
      {dialog?.kind === 'new_group' && <NewGroup onClose={closeDialog} />}
      {dialog?.kind === 'group' && <GroupInfo id={dialog.id} onClose={closeDialog} />}
      {dialog?.kind === 'contact' && <Contact id={dialog.id} onClose={closeDialog} />}
      {dialog?.kind === 'read_by' && <ReadBy message={dialog.message} onClose={closeDialog} />}
      {confirmation !== null && (
        <ConfirmDialog confirmation={confirmation} onClose={closeConfirmation} />
      )}
    </>
  )
}
