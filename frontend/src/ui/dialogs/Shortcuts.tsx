import { t } from '../../i18n'
import { useEnterSends } from '../hooks'
import { Dialog } from './Dialog'

const apple = /Mac|iP(hone|ad)/.test(navigator.platform)

type Section = readonly [title: string, rows: readonly (readonly [what: string, keys: readonly string[]])[]]

function sections(enterSends: boolean): readonly Section[] {
  const s = t.shortcuts
  const { ctrl, alt, shift, enter, escape, end } = s.keys
  const command = apple ? '⌘' : ctrl
  const option = apple ? '⌥' : alt
  return [
    [
      s.sections.anywhere,
      [
        [s.search, [command, 'K']],
        [s.searchChat, [command, 'F']],
        [s.nextChat, [option, '↓']],
        [s.previousChat, [option, '↑']],
        [s.newGroup, [option, 'G']],
        [s.settings, [command, ',']],
        [s.help, [command, '/']],
        [s.escape, [escape]],
      ],
    ],
    [
      s.sections.composer,
      [
        [s.send, enterSends ? [enter] : [command, enter]],
        [s.newline, enterSends ? [shift, enter] : [enter]],
        [s.editLast, ['↑']],
      ],
    ],
    [
      s.sections.formatting,
      [
        [s.bold, [command, 'B']],
        [s.italic, [command, 'I']],
        [s.strike, [command, shift, 'X']],
        [s.code, [command, 'E']],
        [s.codeBlock, ['```']],
        [s.list, ['-']],
        [s.quote, ['>']],
      ],
    ],
    [
      s.sections.messages,
      [
        [s.walk, ['↑', '↓']],
        [s.act, [enter]],
        [s.reply, ['R']],
        [s.newest, [end]],
      ],
    ],
  ]
}

export function Shortcuts({ onClose }: { onClose: () => void }) {
  const enterSends = useEnterSends()
  return (
    <Dialog title={t.shortcuts.title} onClose={onClose}>
      {/* Nothing in it has the focus, and the keyboard scrolls it. */}
      <div className="dialog-body" tabIndex={0}>
        {sections(enterSends).map(([title, rows]) => (
          <section key={title} className="shortcuts">
            <h3>{title}</h3>
            <dl>
              {rows.map(([what, keys]) => (
                <div key={what}>
                  <dt>{what}</dt>
                  <dd dir="ltr">
                    {keys.map((key) => (
                      <kbd key={key}>{key}</kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
