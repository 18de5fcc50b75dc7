import { Check, Pencil, SendHorizontal, X } from './icons'
import { useEffect, useLayoutEffect, useRef, useState, type FormEvent, type KeyboardEvent } from 'react'
import { CONTENT_MAX_BYTES, byteLength, cleanText, isBlank } from '../core/text'
import type { Message } from '../core/types'
import { setDraft } from '../drafts'
import { t } from '../i18n'
import { messenger } from '../platform'
import { errorText, messageText } from './format'
import { useDraft } from './hooks'

interface Props {
  chatId: number
  notes: boolean
  editing: Message | null
  onEditLast: () => void
  onDone: () => void
  onSent: () => void
}

/** The server passes on one `true` each 2 s and shows it for 6. */
const TYPING_AGAIN_MS = 3_000
const TYPING_IDLE_MS = 5_000

export function Composer({ chatId, notes, editing, onEditLast, onDone, onSent }: Props) {
  const draft = useDraft(chatId)
  const [change, setChange] = useState('')
  const [saving, setSaving] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const typing = useTyping(chatId, notes)
  const text = editing === null ? draft : change
  const over = byteLength(cleanText(text)) - CONTENT_MAX_BYTES
  const ready = !isBlank(text) && over <= 0 && !saving

  const [edited, setEdited] = useState<Message | null>(null)
  if (editing !== edited) {
    setEdited(editing)
    setChange(editing?.content ?? '')
  }

  // On a phone the keyboard would jump up and cover what one came to read.
  useEffect(() => {
    if (matchMedia('(pointer: fine)').matches) field.current?.focus()
  }, [])

  useLayoutEffect(() => fitHeight(field.current!), [text])

  const put = (value: string) => {
    if (editing !== null) setChange(value)
    else {
      setDraft(chatId, value)
      typing(!isBlank(value))
    }
  }

  const submit = async (event?: FormEvent) => {
    event?.preventDefault()
    if (!ready) return
    const content = cleanText(text)
    if (editing === null) {
      typing.sent()
      messenger.send(chatId, content)
      setDraft(chatId, '')
      onSent()
      field.current?.focus()
      return
    }
    setSaving(true)
    try {
      if (content !== editing.content) await messenger.edit(editing, content)
      onDone()
    } catch (error) {
      messenger.notice('error', errorText(error))
    } finally {
      setSaving(false)
    }
  }

  const keys = (event: KeyboardEvent<HTMLTextAreaElement>) => {
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
          dir="auto"
          enterKeyHint="send"
          aria-label={editing === null ? t.composer.label : t.composer.editing}
          aria-describedby={over > 0 ? 'composer-over' : undefined}
          aria-invalid={over > 0 || undefined}
          placeholder={notes ? t.composer.placeholderNotes : t.composer.placeholder}
          value={text}
          onChange={(event) => put(event.target.value)}
          onKeyDown={keys}
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
      {over > 0 && (
        <p id="composer-over" className="composer-over" role="alert">
          {t.composer.tooLong(over)}
        </p>
      )}
    </form>
  )
}

/**
 * As high as its text, up to what the style allows. Where the style can do that alone it does; else
 * it is measured, with the frame held so that the list above does not jump meanwhile.
 */
function fitHeight(area: HTMLTextAreaElement): void {
  if (CSS.supports('field-sizing', 'content')) return
  const frame = area.parentElement!
  frame.style.minHeight = `${frame.offsetHeight}px`
  area.style.height = 'auto'
  area.style.height = `${area.scrollHeight}px`
  frame.style.minHeight = ''
}

/** Tells the others that one types: at once, again while it goes on, and when it ends. */
function useTyping(chatId: number, notes: boolean) {
  const told = useRef(0)
  const idle = useRef<ReturnType<typeof setTimeout>>(undefined)

  const tell = (on: boolean) => {
    clearTimeout(idle.current)
    if (notes) return
    if (on) {
      idle.current = setTimeout(() => tell(false), TYPING_IDLE_MS)
      if (Date.now() - told.current < TYPING_AGAIN_MS) return
      told.current = Date.now()
    } else if (told.current === 0) return
    else told.current = 0
    messenger.typingNow(chatId, on)
  }
  /** A message ends it by itself. */
  tell.sent = () => {
    clearTimeout(idle.current)
    told.current = 0
  }

  const last = useRef(tell)
  useEffect(() => {
    last.current = tell
  })
  useEffect(() => () => last.current(false), [])
  return tell
}
