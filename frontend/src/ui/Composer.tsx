import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type FormEvent, type KeyboardEvent } from 'react'
import type { Message } from '../core/types'
import { CONTENT_MAX_BYTES, byteLength, cleanText, directionOf, isBlank, splitText } from '../core/text'
import { holdDrafts, setDraft, setEdit, setReply, threadKey } from '../drafts'
import { t } from '../i18n'
import { messenger } from '../platform'
import { errorText, messageText, senderName } from './format'
import { useAppState, useDebounced, useDraft, useEdit, useEnterSends, useReply } from './hooks'
import { Check, Pencil, Reply, SendHorizontal, X } from './icons'
import { isComposing } from './keys'
import { markOf, markSelection } from './marks'
import { useTyping } from './useTyping'

interface Props {
  chatId: number
  /** The first message of a thread, in its panel: what is written replies to it. */
  thread?: Message
  /** True in the chat of a user with themselves. */
  isNotes: boolean
  onEditLast: () => void
  /** The edit was saved or cancelled. */
  onDone: () => void
  onSent: () => void
}

/**
 * A text that is longer fills the field up to its max-height. The work for a key does not grow with it: the browser
 * does not find its height and direction, and it is read only when no key was pressed for a moment.
 */
const LONG = 2_000
const SETTLE_MS = 200

export function Composer({ chatId, thread, isNotes, onEditLast, onDone, onSent }: Props) {
  const key = thread === undefined ? chatId : threadKey(thread.message_id)
  const draft = useDraft(key)
  const edit = useEdit(key)
  const reply = useReply(key)
  const people = useAppState((state) => state.people)
  const editing = edit?.item ?? null
  const [saving, setSaving] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const noteId = useId()
  const typing = useTyping(chatId, !isNotes)
  const enterSends = useEnterSends()
  const text = edit?.text ?? draft
  const isLong = text.length > LONG
  const settled = useDebounced(text, SETTLE_MS)
  const measured = isLong ? settled : text
  const parts = useMemo(() => splitText(measured), [measured])
  const tooLong = editing !== null && parts.length > 1
  const ready = parts.length > 0 && !tooLong && !saving

  useEffect(() => (typeof key === 'number' ? holdDrafts(key) : undefined), [key])

  // On a touch screen the focus would open the keyboard, which covers the messages.
  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) field.current?.focus()
  }, [])

  useLayoutEffect(() => {
    const area = field.current!
    // Without the property `value`: React would write the text to the element twice after each key.
    if (area.value !== text) area.value = text
    fitHeight(area, isLong)
  }, [text, isLong])

  const setText = (value: string) => {
    if (edit !== null) setEdit(key, { ...edit, text: value })
    else {
      setDraft(key, value)
      typing.update(value.length > LONG || !isBlank(value))
    }
  }

  const submit = async (event?: FormEvent) => {
    event?.preventDefault()
    const parts = splitText(text)
    if (saving || parts.length === 0) return
    if (editing === null) {
      typing.sent()
      // Of several messages the first is the reply, except in a thread.
      parts.forEach((part, i) =>
        messenger.operations.send(chatId, part, (i === 0 ? reply : null) ?? thread),
      )
      setDraft(key, '')
      setReply(key, null)
      onSent()
      field.current?.focus()
      return
    }
    if (parts.length > 1) return
    setSaving(true)
    try {
      if (parts[0] !== editing.content) await messenger.operations.edit(editing, parts[0]!)
      onDone()
    } catch (error) {
      messenger.notices.show('error', errorText(error))
    } finally {
      setSaving(false)
    }
  }

  const onKeyDown = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (isComposing(event.nativeEvent)) return
    const command = event.ctrlKey || event.metaKey
    const plain = !event.shiftKey && !event.altKey && !command
    const mark = command ? markOf(event) : undefined
    if (mark !== undefined) {
      event.preventDefault()
      markSelection(event.currentTarget, mark)
    } else if (event.key === 'Enter' && (command || (enterSends && plain))) {
      event.preventDefault()
      void submit()
    } else if (event.key === 'ArrowUp' && plain && text === '' && editing === null) {
      event.preventDefault()
      onEditLast()
    } else if (event.key === 'Escape' && (editing !== null || reply !== null)) {
      event.preventDefault()
      if (editing !== null) onDone()
      else setReply(key, null)
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
      {editing === null && reply !== null && (
        <div className="composer-edit">
          <Reply aria-hidden className="mirrored" />
          <div>
            <strong>{t.composer.replyingTo(senderName(people, reply.sender_id))}</strong>
            <bdi>{messageText(reply)}</bdi>
          </div>
          <button
            type="button"
            className="icon-button"
            aria-label={t.composer.cancelReply}
            onClick={() => setReply(key, null)}
          >
            <X aria-hidden />
          </button>
        </div>
      )}
      <div className="composer-row">
        <textarea
          id={thread === undefined ? 'composer' : 'thread-composer'}
          ref={field}
          rows={1}
          className={isLong ? 'composer-long' : undefined}
          dir={text === '' ? undefined : isLong ? directionOf(measured) : 'auto'} // the placeholder has the direction of the page
          enterKeyHint={enterSends ? 'send' : 'enter'}
          aria-label={editing !== null ? t.composer.editing : thread === undefined ? t.composer.label : t.thread.reply}
          aria-describedby={parts.length > 1 ? noteId : undefined}
          aria-invalid={tooLong || undefined}
          placeholder={
            thread !== undefined
              ? t.thread.reply
              : isNotes
                ? t.composer.placeholderNotes
                : t.composer.placeholder
          }
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
      {parts.length > 1 && (
        <p id={noteId} className={tooLong ? 'composer-over' : 'composer-note'} role="status">
          {tooLong ? t.composer.tooLong(byteLength(cleanText(measured)) - CONTENT_MAX_BYTES) : t.composer.parts(parts.length)}
        </p>
      )}
    </form>
  )
}

/**
 * Makes a text area as high as its text, up to its max-height, which a long text has without a measurement. The frame
 * keeps its height during the measurement, so that the list does not move.
 */
function fitHeight(area: HTMLTextAreaElement, isLong: boolean): void {
  if (CSS.supports('field-sizing', 'content')) return
  if (isLong) {
    area.style.height = ''
    return
  }
  const frame = area.parentElement!
  frame.style.minHeight = `${frame.offsetHeight}px`
  area.style.height = 'auto'
  area.style.height = `${area.scrollHeight}px`
  frame.style.minHeight = ''
}
