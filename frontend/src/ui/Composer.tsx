import { useEffect, useLayoutEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react'
import { CONTENT_MAX_BYTES, byteLength, cleanText, isBlank } from '../core/text'
import { setDraft } from '../drafts'
import { t } from '../i18n'
import { messenger } from '../platform'
import { errorText, messageText } from './format'
import { useDraft } from './hooks'
import { Check, Pencil, SendHorizontal, X } from './icons'
import type { Item } from './messages/items'
import { useTyping } from './useTyping'

interface Props {
  chatId: number
  /** True in the chat of a user with themselves. */
  isNotes: boolean
  /** The message that is edited; null to write a new one. */
  editing: Item | null
  onEditLast: () => void
  onDone: () => void
  onSent: () => void
}

export function Composer({ chatId, isNotes, editing, onEditLast, onDone, onSent }: Props) {
  const draft = useDraft(chatId)
  const [editText, setEditText] = useState('')
  const [saving, setSaving] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const typing = useTyping(chatId, !isNotes)
  const text = editing === null ? draft : editText
  const excess = byteLength(cleanText(text)) - CONTENT_MAX_BYTES
  const ready = !isBlank(text) && excess <= 0 && !saving

  const [lastEditing, setLastEditing] = useState<Item | null>(null)
  if (editing !== lastEditing) {
    setLastEditing(editing)
    setEditText(editing?.content ?? '')
  }

  // On a touch screen the focus would open the keyboard, which covers the messages.
  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) field.current?.focus()
  }, [])

  useLayoutEffect(() => fitHeight(field.current!), [text])

  const setText = (value: string) => {
    if (editing !== null) setEditText(value)
    else {
      setDraft(chatId, value)
      typing.update(!isBlank(value))
    }
  }

  const submit = async (event?: FormEvent) => {
    event?.preventDefault()
    if (!ready) return
    const content = cleanText(text)
    if (editing === null) {
      typing.sent()
      messenger.operations.send(chatId, content)
      setDraft(chatId, '')
      onSent()
      field.current?.focus()
      return
    }
    setSaving(true)
    try {
      if (content !== editing.content) await messenger.operations.edit(editing, content)
      onDone()
    } catch (error) {
      messenger.notices.show('error', errorText(error))
    } finally {
      setSaving(false)
    }
  }

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.nativeEvent.isComposing) return
    const plain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey
    if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault()
      void submit()
    } else if (event.key === 'ArrowUp' && plain && text === '' && editing === null) {
      event.preventDefault()
      onEditLast()
    } else if (event.key === 'Escape' && editing !== null) {
      event.preventDefault()
      onDone()
    }
  }

  return (
    <form className="composer" onSubmit={(event) => void submit(event)}>
      {editing !== null && (
        <div className="composer-edit">
          <Pencil aria-hidden />
          <div>
            <strong>{t.composer.editing}</strong>
            <bdi>{messageText(editing)}</bdi>
          </div>
          <button type="button" className="icon-button" aria-label={t.composer.cancelEdit} onClick={onDone}>
            <X aria-hidden />
          </button>
        </div>
      )}
      <div className="composer-row">
        <textarea
          id="composer"
          ref={field}
          rows={1}
          dir={text === '' ? undefined : 'auto'} // the placeholder has the direction of the page
          enterKeyHint="send"
          aria-label={editing === null ? t.composer.label : t.composer.editing}
          aria-describedby={excess > 0 ? 'composer-over' : undefined}
          aria-invalid={excess > 0 || undefined}
          placeholder={isNotes ? t.composer.placeholderNotes : t.composer.placeholder}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button
          className="send"
          disabled={!ready}
          aria-label={editing === null ? t.composer.send : t.composer.save}
          title={editing === null ? t.composer.send : t.composer.save}
        >
          {editing === null ? <SendHorizontal aria-hidden className="mirrored" /> : <Check aria-hidden />}
        </button>
      </div>
      {excess > 0 && (
        <p id="composer-over" className="composer-over" role="alert">
          {t.composer.tooLong(excess)}
        </p>
      )}
    </form>
  )
}

/**
 * Makes a text area as high as its text, up to its max-height. A fallback for browsers without
 * `field-sizing`; the frame keeps its height during the measurement, so that the list does not move.
 */
function fitHeight(area: HTMLTextAreaElement): void {
  if (CSS.supports('field-sizing', 'content')) return
  const frame = area.parentElement!
  frame.style.minHeight = `${frame.offsetHeight}px`
  area.style.height = 'auto'
  area.style.height = `${area.scrollHeight}px`
  frame.style.minHeight = ''
}
