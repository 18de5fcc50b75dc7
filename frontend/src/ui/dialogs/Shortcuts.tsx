import { t } from '../../i18n'
import { useEnterSends } from '../hooks'
import { Dialog } from './Dialog'

const apple = /Mac|iP(hone|ad)/.test(navigator.platform)
const command = apple ? '⌘' : 'Ctrl'
const alt = apple ? '⌥' : 'Alt'

const s = t.shortcuts
type Section = readonly [string, readonly (readonly [string, readonly string[]])[]]
const sections = (enterSends: boolean): readonly Section[] => [
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
      [s.send, enterSends ? ['Enter'] : [command, 'Enter']],
      [s.newline, enterSends ? ['Shift', 'Enter'] : ['Enter']],
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
  const enterSends = useEnterSends()
  return (
    <Dialog title={s.title} onClose={onClose}>
      <div className="dialog-body">
        {sections(enterSends).map(([title, rows]) => (
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
