import type { Chat, Message } from '../core/types'
import { t } from '../i18n'
import { messenger } from '../platform'
import { ask, openDialog } from './dialog_state'
import { useMe } from './hooks'
import { CheckCheck, Copy, Pencil, RotateCcw, Trash2 } from './icons'
import { LazyMenu } from './LazyMenu'
import { isSent, type Item } from './MessageList'
import type { MenuAction } from './PopMenu'

export interface MenuTarget {
  item: Item
  rect: DOMRect
  row: HTMLElement | null
}

interface Props {
  target: MenuTarget
  chat: Chat
  onEdit: (message: Message) => void
  onClose: () => void
}

/** What can be done with the chosen message. */
export function MessageMenu({ target, chat, onEdit, onClose }: Props) {
  const me = useMe()
  const actions = actionsOf(target.item, chat, me.user_id, onEdit)
  return (
    <LazyMenu
      key={`${target.rect.x},${target.rect.y}`}
      label={t.conversation.actions}
      rect={target.rect}
      back={target.row}
      actions={actions}
      onClose={onClose}
    />
  )
}

/** Whether there is anything that could be done with it. */
export function hasActions(item: Item): boolean {
  return !isSent(item) || (item.kind === 'text' && !item.deleted && item.content != null)
}

function actionsOf(
  item: Item,
  chat: Chat,
  me: number,
  onEdit: (message: Message) => void,
): readonly MenuAction[] {
  const copyIt: MenuAction = {
    icon: <Copy aria-hidden />,
    text: t.message.copy,
    act: () => void copy(item.content ?? ''),
  }
  if (!isSent(item))
    return [
      copyIt,
      ...(item.refused
        ? [
            {
              icon: <RotateCcw aria-hidden />,
              text: t.message.retry,
              act: () => messenger.retry(item.client_id),
            },
          ]
        : []),
      {
        icon: <Trash2 aria-hidden />,
        text: t.message.discard,
        danger: true,
        apart: true,
        act: () => messenger.discard(item.client_id),
      },
    ]
  if (item.sender_id !== me) return [copyIt]
  return [
    copyIt,
    { icon: <Pencil aria-hidden />, text: t.message.edit, act: () => onEdit(item) },
    ...(chat.kind === 'group'
      ? [
          {
            icon: <CheckCheck aria-hidden />,
            text: t.message.readBy,
            act: () => openDialog({ kind: 'read_by', message: item }),
          },
        ]
      : []),
    {
      icon: <Trash2 aria-hidden />,
      text: t.message.delete,
      danger: true,
      apart: true,
      act: () =>
        ask({
          title: t.message.deleteTitle,
          more: t.message.deleteMore,
          yes: t.common.delete,
          act: () => messenger.remove(item),
        }),
    },
  ]
}

async function copy(text: string): Promise<void> {
  if (navigator.clipboard !== undefined) await navigator.clipboard.writeText(text)
  else {
    // Plain http has no clipboard: the old way.
    const field = document.createElement('textarea')
    field.value = text
    document.body.append(field)
    field.select()
    document.execCommand('copy')
    field.remove()
  }
  messenger.notice('info', t.message.copied)
}
