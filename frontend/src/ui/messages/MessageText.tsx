import { useMemo, useState } from 'react'
import { useStore } from 'zustand'
import { parseMarkup, parsePlain } from '../../core/markup'
import { t } from '../../i18n'
import { usePrefs } from '../hooks'
import { Markup } from './Markup'
import { sourceShown } from './source_shown'

/** Longer texts are cut, with a button that shows the rest. */
const LONG_CHARS = 1_600
const LONG_LINES = 24

interface Props {
  content: string
  /** The key of the message's row. */
  messageKey: string
}

/** The text of a message, with its formatting and links. */
export function MessageText({ content, messageKey }: Props) {
  const [open, setOpen] = useState(false)
  const isSource = useStore(sourceShown, (keys) => keys.has(messageKey))
  const formatted = usePrefs().formatting && !isSource
  const cut = useMemo(() => cutPosition(content), [content])
  const shown = cut === null || open ? content : content.slice(0, cut)
  const blocks = useMemo(
    () => (formatted ? parseMarkup : parsePlain)(shown, shown.length < content.length),
    [shown, content, formatted],
  )
  return (
    <>
      <Markup blocks={blocks} />
      {cut !== null && (
        <>
          {!open && '…'}{' '}
          <button className="link-button" tabIndex={-1} data-inner onClick={() => setOpen(!open)}>
            {open ? t.conversation.less : t.conversation.more}
          </button>
        </>
      )}
    </>
  )
}

/** Where to cut a long text; null if it is not long. */
function cutPosition(content: string): number | null {
  let at = content.length > LONG_CHARS ? LONG_CHARS - 200 : null
  let line = -1
  for (let lines = 0; lines < LONG_LINES; lines++) {
    line = content.indexOf('\n', line + 1)
    if (line < 0) return at === null ? null : wholeCodePoint(content, at)
  }
  at = Math.min(at ?? line, line)
  return content.length - at < 80 ? null : wholeCodePoint(content, at)
}

/** Moves a position out of the middle of a surrogate pair. */
function wholeCodePoint(content: string, at: number): number {
  return /[\udc00-\udfff]/.test(content[at] ?? '') ? at - 1 : at
}
