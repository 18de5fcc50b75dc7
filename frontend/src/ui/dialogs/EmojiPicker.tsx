// The emoji picker. A chunk of its own, and the names of the emoji are another one, by language.

import { EmojiPicker as Picker, type EmojiData } from 'frimousse'
import { useStore } from 'zustand'
import type { Message } from '../../core/types'
import { t } from '../../i18n'
import { prefs, setPrefs, type SkinTone } from '../../prefs'
import { toggleReaction } from '../messages/reacting'
import { Dialog } from './Dialog'

interface Props {
  message: Message
  onClose: () => void
}

const COLUMNS = 8

/** There are no Arabic names of emoji in the data. */
const languageOf = () => (t.locale === 'de' ? 'de' : 'en')

async function load(language: string): Promise<EmojiData> {
  const module = await (language === 'de' ? import('virtual:emoji/de') : import('virtual:emoji/en'))
  return module.default
}

export default function EmojiPicker({ message, onClose }: Props) {
  const { recentEmoji, skinTone } = useStore(prefs)
  const choose = (emoji: string) => {
    toggleReaction(message, emoji)
    onClose()
  }
  return (
    <Dialog title={t.reactions.add} onClose={onClose} small>
      <Picker.Root
        className="emoji-picker"
        locale={languageOf()}
        resolveEmojiData={load}
        columns={COLUMNS}
        skinTone={skinTone}
        onEmojiSelect={({ emoji }) => choose(emoji)}
      >
        <div className="emoji-search">
          <div className="field-box">
            <Picker.Search data-autofocus placeholder={t.reactions.search} aria-label={t.reactions.search} />
          </div>
          <Picker.SkinTone emoji="✋">
            {({ skinToneVariations }) => (
              <select
                className="emoji-tone emoji"
                aria-label={t.reactions.skinTone}
                value={skinTone}
                onChange={(event) => setPrefs({ skinTone: event.target.value as SkinTone })}
              >
                {skinToneVariations.map((variation) => (
                  <option key={variation.skinTone} value={variation.skinTone} aria-label={t.reactions.tones[variation.skinTone]}>
                    {variation.emoji}
                  </option>
                ))}
              </select>
            )}
          </Picker.SkinTone>
        </div>
        {recentEmoji.length > 0 && (
          <section className="emoji-recent" aria-label={t.reactions.recent}>
            <h3>{t.reactions.recent}</h3>
            <div>
              {recentEmoji.slice(0, COLUMNS).map((emoji) => (
                <button key={emoji} type="button" className="emoji-button emoji" onClick={() => choose(emoji)}>
                  {emoji}
                </button>
              ))}
            </div>
          </section>
        )}
        <Picker.Viewport className="emoji-viewport">
          <Picker.Loading className="dialog-note">{t.common.loading}</Picker.Loading>
          <Picker.Empty className="dialog-note">{t.reactions.notFound}</Picker.Empty>
          <Picker.List
            className="emoji-list"
            components={{
              CategoryHeader: ({ category, ...rest }) => (
                <div {...rest} className="emoji-category">
                  {category.label}
                </div>
              ),
              Row: ({ children, ...rest }) => (
                <div {...rest} className="emoji-row">
                  {children}
                </div>
              ),
              Emoji: ({ emoji, ...rest }) => (
                <button {...rest} className="emoji-button emoji" title={emoji.label}>
                  {emoji.emoji}
                </button>
              ),
            }}
          />
        </Picker.Viewport>
      </Picker.Root>
    </Dialog>
  )
}
