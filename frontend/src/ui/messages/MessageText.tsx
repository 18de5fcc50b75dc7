import { useMemo, useState } from 'react'
import { splitLinks } from '../../core/text'
import { t } from '../../i18n'

/** Longer texts are cut, with a button that shows the rest. */
const LONG_CHARS = 1_600
const LONG_LINES = 24

/** The text of a message, with its links. */
export function MessageText({ content }: { content: string }) {
  const [open, setOpen] = useState(false)
  const cut = useMemo(() => cutPosition(content), [content])
  const shown = cut === null || open ? content : content.slice(0, cut)
  const parts = useMemo(() => splitLinks(shown), [shown])
  return (
    <>
      {parts.map((part, i) =>
        part.kind === 'text' ? (
          <span key={i}>{part.text}</span>
        ) : (
          <a
            key={i}
            href={part.href}
            target="_blank"
            rel="noopener noreferrer nofollow"
            dir="ltr"
            tabIndex={-1}
            data-inner
          >
            {part.text}
          </a>
        ),
      )}
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
