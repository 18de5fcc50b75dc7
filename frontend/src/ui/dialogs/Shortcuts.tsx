import { t } from '../../i18n'
import { Dialog } from './Dialog'

const apple = /Mac|iP(hone|ad)/.test(navigator.platform)
const command = apple ? '⌘' : 'Ctrl'
const alt = apple ? '⌥' : 'Alt'

const s = t.shortcuts
const sections: readonly [string, readonly (readonly [string, readonly string[]])[]][] = [
  [
    s.sections.anywhere,
    [
      [s.search, [command, 'K']],
      [s.nextChat, [alt, '↓']],
      [s.previousChat, [alt, '↑']],
      [s.newGroup, [alt, 'G']],
      [s.settings, [command, ',']],
      [s.help, [command, '/']],
      [s.escape, ['Esc']],
    ],
  ],
  [
    s.sections.composer,
    [
      [s.send, ['Enter']],
      [s.newline, ['Shift', 'Enter']],
      [s.editLast, ['↑']],
    ],
  ],
  [
    s.sections.messages,
    [
      [s.walk, ['↑', '↓']],
      [s.act, ['Enter']],
      [s.newest, ['End']],
    ],
  ],
]

export function Shortcuts({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title={s.title} onClose={onClose}>
      <div className="dialog-body">
        {sections.map(([title, rows]) => (
          <section key={title} className="shortcuts">
            <h3>{title}</h3>
            <dl>
              {rows.map(([what, keys]) => (
                <div key={what}>
                  <dt>{what}</dt>
                  <dd>
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
