// All dialogs, in one chunk that is not part of the first screen.

import { useCallback } from 'react'
import { useStore } from 'zustand'
import { closeConfirmation, closeDialog, dialogs, type DialogName } from '../dialog_state'
import { ConfirmDialog } from './ConfirmDialog'
import { Contact } from './Contact'
import { Forward } from './Forward'
import { GroupInfo } from './GroupInfo'
import { NewGroup } from './NewGroup'
import { ReadBy } from './ReadBy'
import { Settings } from './Settings'
import { Shortcuts } from './Shortcuts'
import { ThreadPanel } from './ThreadPanel'

export default function Dialogs() {
  const { open, confirmation } = useStore(dialogs)
  return (
    <>
      {open.map((dialog, level) => (
        <OpenDialog key={level} dialog={dialog} />
      ))}
      {confirmation !== null && (
        <ConfirmDialog confirmation={confirmation} onClose={closeConfirmation} />
      )}
    </>
  )
}

function OpenDialog({ dialog }: { dialog: DialogName }) {
  const onClose = useCallback(() => closeDialog(dialog), [dialog])
  switch (dialog.kind) {
    case 'settings':
      return <Settings onClose={onClose} />
    case 'shortcuts':
      return <Shortcuts onClose={onClose} />
    case 'new_group':
      return <NewGroup onClose={onClose} />
    case 'group':
      return <GroupInfo id={dialog.id} onClose={onClose} />
    case 'contact':
      return <Contact id={dialog.id} onClose={onClose} />
    case 'read_by':
      return <ReadBy message={dialog.message} onClose={onClose} />
    case 'forward':
      return <Forward message={dialog.message} onClose={onClose} />
    case 'thread':
      return <ThreadPanel key={dialog.message.message_id} message={dialog.message} onClose={onClose} />
  }
}
