// All dialogs, in one chunk that is not part of the first screen.

import { lazy, Suspense, useCallback } from 'react'
import { useStore } from 'zustand'
import { closeConfirmation, closeDialog, dialogs, type DialogName } from '../dialog_state'
import { ConfirmDialog } from './ConfirmDialog'
import { Contact } from './Contact'
import { Forward } from './Forward'
import { GroupInfo } from './GroupInfo'
import { MemberActions } from './MemberActions'
import { NewGroup } from './NewGroup'
import { ReadBy } from './ReadBy'
import { Settings } from './Settings'
import { Shortcuts } from './Shortcuts'
import { ThreadPanel } from './ThreadPanel'
import { Unsent } from './Unsent'
import { WhoReacted } from './WhoReacted'

const EmojiPicker = lazy(() => import('./EmojiPicker'))

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
    case 'member':
      return <MemberActions groupId={dialog.groupId} id={dialog.id} onClose={onClose} />
    case 'contact':
      return <Contact id={dialog.id} onClose={onClose} />
    case 'unsent':
      return <Unsent onClose={onClose} />
    case 'read_by':
      return <ReadBy message={dialog.message} onClose={onClose} />
    case 'reactions':
      return <WhoReacted message={dialog.message} onClose={onClose} />
    case 'emoji':
      return (
        <Suspense>
          <EmojiPicker message={dialog.message} onClose={onClose} />
        </Suspense>
      )
    case 'forward':
      return <Forward message={dialog.message} onClose={onClose} />
    case 'thread':
      return <ThreadPanel key={dialog.message.message_id} message={dialog.message} onClose={onClose} />
  }
}
