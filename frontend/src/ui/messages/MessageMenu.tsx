import { mayPost } from '../../core/chat'
import { hasMarkup, parseMarkup } from '../../core/markup'
import type { Chat } from '../../core/types'
import { t } from '../../i18n'
import { messenger } from '../../platform'
import { prefs } from '../../prefs'
import { copyText } from '../copy'
import { openConfirmation, openDialog, openThread } from '../dialog_state'
import { useMe } from '../hooks'
import {
  CheckCheck,
  Copy,
  Forward,
  MessagesSquare,
  Pencil,
  Pin,
  PinOff,
  Reply,
  RotateCcw,
  SmilePlus,
  TextInitial,
  Trash2,
} from '../icons'
import { LazyPopupMenu } from '../LazyPopupMenu'
import type { MenuAction, QuickAction } from '../PopupMenu'
import type { Refusable } from '../../core/operation'
import { isEditable } from '../../core/outbox'
import { isStored, keyOf, type Item } from './items'
import { isMine, quickEmoji, toggleReaction } from './reacting'
import { sourceShown, toggleSource } from './source_shown'
import { isQuotable } from './useReplying'

export interface MenuTarget {
  item: Item
  rect: DOMRect
  row: HTMLElement | null
}

interface Props {
  target: MenuTarget
  chat: Chat
  /** True in the panel of a thread. */
  inThread?: boolean
  onEdit: (item: Item) => void
  onReply: (item: Item) => void
  onClose: () => void
}

/** The menu of one message. */
export function MessageMenu(props: Props) {
  const { target, chat, onEdit, onClose } = props
  const me = useMe()
  const actions = [...quoteActions(props, me.user_id), ...actionsOf(target.item, chat, me.user_id, onEdit)]
  return (
    <LazyPopupMenu
      key={`${target.rect.x},${target.rect.y}`}
      label={t.conversation.actions}
      rect={target.rect}
      returnFocus={target.row}
      quick={quickActions(target.item)}
      actions={actions}
      onClose={onClose}
    />
  )
}

/** A row of emoji, and the way to all others. */
function quickActions(item: Item): readonly QuickAction[] {
  if (!isStored(item) || item.pending?.kind === 'delete') return []
  return [
    ...quickEmoji().map((emoji) => ({
      content: <span className="emoji">{emoji}</span>,
      label: emoji,
      pressed: isMine(item, emoji),
      onSelect: () => toggleReaction(item, emoji),
    })),
    {
      content: <SmilePlus aria-hidden />,
      label: t.reactions.add,
      pressed: false,
      onSelect: () => openDialog({ kind: 'emoji', message: item }),
    },
  ]
}

/** Replying, the thread, forwarding. */
function quoteActions({ target: { item }, chat, inThread, onReply }: Props, me: number): readonly MenuAction[] {
  if (!isQuotable(item)) return []
  const actions: MenuAction[] = []
  if (mayPost(chat, me))
    actions.push({
      icon: <Reply aria-hidden className="mirrored" />,
      text: t.message.reply,
      onSelect: () => onReply(item),
    })
  if (inThread !== true)
    actions.push({
      icon: <MessagesSquare aria-hidden />,
      text: t.message.thread,
      onSelect: () => openThread(item),
    })
  actions.push({
    icon: <Forward aria-hidden className="mirrored" />,
    text: t.message.forward,
    onSelect: () => openDialog({ kind: 'forward', message: item }),
  })
  return actions
}

function actionsOf(
  item: Item,
  chat: Chat,
  me: number,
  onEdit: (item: Item) => void,
): readonly MenuAction[] {
  const copyAction: MenuAction = {
    icon: <Copy aria-hidden />,
    text: t.message.copy,
    onSelect: () => void copyText(item.content ?? ''),
  }
  const textActions = [copyAction, ...sourceAction(item)]
  const editAction: MenuAction = {
    icon: <Pencil aria-hidden />,
    text: t.message.edit,
    onSelect: () => onEdit(item),
  }
  if (!isStored(item))
    return [...textActions, ...(isEditable(item) ? [editAction] : []), ...pendingActions(item)]
  if (item.pending?.kind === 'delete') return pendingActions(item.pending)
  if (item.pending !== undefined) return [...textActions, editAction, ...pendingActions(item.pending)]
  const sharedActions: readonly MenuAction[] = [
    ...(mayPost(chat, me)
      ? [
          {
            icon: item.pinned ? <PinOff aria-hidden /> : <Pin aria-hidden />,
            text: item.pinned ? t.message.unpin : t.message.pin,
            onSelect: () => messenger.operations.pin(item, !item.pinned),
          },
        ]
      : []),
    ...((item.reactions?.length ?? 0) === 0
      ? []
      : [
          {
            icon: <SmilePlus aria-hidden />,
            text: t.message.whoReacted,
            onSelect: () => openDialog({ kind: 'reactions', message: item }),
          },
        ]),
  ]
  if (item.sender_id !== me) return [...textActions, ...sharedActions]
  return [
    ...textActions,
    // A forwarded text is its author's.
    ...(item.forwarded_from == null ? [editAction] : []),
    ...sharedActions,
    ...(chat.kind === 'group'
      ? [
          {
            icon: <CheckCheck aria-hidden />,
            text: t.message.readBy,
            onSelect: () => openDialog({ kind: 'read_by', message: item }),
          },
        ]
      : []),
    {
      icon: <Trash2 aria-hidden />,
      text: t.message.delete,
      danger: true,
      separated: true,
      onSelect: () =>
        openConfirmation({
          title: t.message.deleteTitle,
          message: t.message.deleteMore,
          confirmLabel: t.common.delete,
          onConfirm: () => messenger.operations.delete(item),
        }),
    },
  ]
}

/** Switches between the formatted text and the text as it was written, if these differ. */
function sourceAction(item: Item): readonly MenuAction[] {
  if (!prefs.getState().formatting || !hasMarkup(parseMarkup(item.content ?? ''))) return []
  const key = keyOf(item)
  return [
    {
      icon: <TextInitial aria-hidden />,
      text: sourceShown.getState().has(key) ? t.message.showFormatted : t.message.showSource,
      onSelect: () => toggleSource(key),
    },
  ]
}

/** The actions of what the server has not acknowledged. */
function pendingActions({ kind, client_id, refused }: Refusable): readonly MenuAction[] {
  const retryAction: MenuAction = {
    icon: <RotateCcw aria-hidden />,
    text: kind === 'send' ? t.message.retry : t.common.retry,
    onSelect: () => messenger.operations.retry(client_id),
  }
  return [
    ...(refused === undefined ? [] : [retryAction]),
    {
      icon: <Trash2 aria-hidden />,
      text: t.message.giveUp[kind],
      danger: true,
      separated: true,
      onSelect: () => messenger.operations.discard(client_id),
    },
  ]
}
